package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// ctrfVersion is the version of the Common Test Report Format, whose only published one it is.
const ctrfVersion = "0.0.0"

// ctrfReport is a document of the Common Test Report Format (github.com/ctrf-io/ctrf, schema/ctrf.schema.json).
type ctrfReport struct {
	Format      string      `json:"reportFormat"`
	Version     string      `json:"specVersion"`
	GeneratedBy string      `json:"generatedBy"`
	Results     ctrfResults `json:"results"`
}

type ctrfResults struct {
	Tool        ctrfTool         `json:"tool"`
	Summary     ctrfSummary      `json:"summary"`
	Tests       []ctrfTest       `json:"tests"`
	Environment *ctrfEnvironment `json:"environment,omitempty"`
}

type ctrfTool struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// ctrfSummary counts tests. Times are milliseconds since 1970, 0 if they are not known.
type ctrfSummary struct {
	Tests    int   `json:"tests"`
	Passed   int   `json:"passed"`
	Failed   int   `json:"failed"`
	Pending  int   `json:"pending"`
	Skipped  int   `json:"skipped"`
	Other    int   `json:"other"`
	Flaky    int   `json:"flaky"`
	Suites   int   `json:"suites"`
	Start    int64 `json:"start"`
	Stop     int64 `json:"stop"`
	Duration int64 `json:"duration"`
}

// ctrfTest is the run, or one of its invariants or faults. What could not be judged has the status failed: many readers count nothing else.
type ctrfTest struct {
	Name        string            `json:"name"`
	Status      string            `json:"status"`
	RawStatus   string            `json:"rawStatus"`
	Duration    int64             `json:"duration"` // milliseconds
	Suite       []string          `json:"suite"`
	Message     string            `json:"message,omitempty"`
	Trace       string            `json:"trace,omitempty"`
	Retries     int               `json:"retries,omitempty"`
	Flaky       bool              `json:"flaky,omitempty"` // some runs of the plan are green and others are not
	Attempts    []ctrfAttempt     `json:"retryAttempts,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Attachments []ctrfAttachment  `json:"attachments,omitempty"`
}

type ctrfAttempt struct {
	Attempt  int    `json:"attempt"`
	Status   string `json:"status"`
	Duration int64  `json:"duration"`
	Message  string `json:"message,omitempty"`
}

type ctrfAttachment struct {
	Name        string `json:"name"`
	ContentType string `json:"contentType"`
	Path        string `json:"path"`
}

type ctrfEnvironment struct {
	TestEnvironment string            `json:"testEnvironment,omitempty"`
	Extra           map[string]string `json:"extra,omitempty"`
}

// ctrfFormat is a report for tools that read JSON instead of JUnit.
func ctrfFormat() definition {
	return definition{format: CTRF, file: "ctrf.json", asked: true,
		render: func(verdict check.RunVerdict, info RunInfo, _ Style) ([]byte, error) {
			return RenderCTRF([]Run{{Verdict: verdict, Info: info}})
		}}
}

// RenderCTRF returns the CTRF report of runs: a test for each case of each plan. The worst of its runs decides.
func RenderCTRF(runs []Run) ([]byte, error) {
	plans := byPlan(runs)
	r := ctrfReport{Format: "CTRF", Version: ctrfVersion, GeneratedBy: "sparkchaos",
		Results: ctrfResults{Tool: ctrfTool{Name: "sparkchaos"}, Tests: []ctrfTest{}}}
	r.Results.Summary.Suites = len(plans)
	for _, plan := range plans {
		cases, err := plan.cases()
		if err != nil {
			return nil, err
		}
		for _, c := range cases {
			r.Results.add(ctrfTestOf(c))
		}
	}
	r.Results.describe(runs)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("encode CTRF: %w", err)
	}
	return out.Bytes(), nil
}

func (r *ctrfResults) add(test ctrfTest) {
	r.Tests = append(r.Tests, test)
	r.Summary.Tests++
	if test.Status == ctrfPassed {
		r.Summary.Passed++
	} else {
		r.Summary.Failed++
	}
	if test.Flaky {
		r.Summary.Flaky++
	}
}

// describe says when and on what the runs ran.
func (r *ctrfResults) describe(runs []Run) {
	for _, run := range runs {
		r.Summary.Duration += run.Info.Took.Milliseconds()
		if began := run.Info.Began; !began.IsZero() {
			if r.Summary.Start == 0 || began.UnixMilli() < r.Summary.Start {
				r.Summary.Start = began.UnixMilli()
			}
			r.Summary.Stop = max(r.Summary.Stop, began.Add(run.Info.Took).UnixMilli())
		}
	}
	if len(runs) == 0 {
		return
	}
	r.Tool.Version = clean(runs[0].Verdict.Recorded)
	environment := ctrfEnvironment{TestEnvironment: clean(runs[0].Info.Environment.ClusterKind)}
	for _, component := range versions(runs[0].Info) {
		if environment.Extra == nil {
			environment.Extra = map[string]string{}
		}
		environment.Extra[component.name] = component.version
	}
	if environment.TestEnvironment != "" || environment.Extra != nil {
		r.Environment = &environment
	}
}

// The statuses of CTRF that a case can have.
const (
	ctrfPassed = "passed"
	ctrfFailed = "failed"
)

func ctrfStatus(o outcome) string {
	if o == green {
		return ctrfPassed
	}
	return ctrfFailed
}

func ctrfTestOf(c runCase) ctrfTest {
	worst, bad := c.worst(), len(c.bad())
	test := ctrfTest{
		Name: c.name, Status: ctrfStatus(worst.outcome), RawStatus: worst.verdict, Suite: strings.Split(c.class, "."),
		Message: c.message(), Retries: len(c.attempts) - 1, Flaky: bad > 0 && bad < len(c.attempts), Labels: map[string]string{},
	}
	for _, property := range caseProperties(c) {
		test.Labels[property.Name] = property.Value
	}
	if worst.outcome != green {
		test.Trace = problemText(worst)
	}
	if c.isVerdict() {
		test.Duration = c.took().Milliseconds()
		test.Attachments = ctrfAttachments(worst.run)
	}
	for i, a := range c.attempts {
		if len(c.attempts) > 1 {
			test.Attempts = append(test.Attempts, ctrfAttempt{i + 1, ctrfStatus(a.outcome), c.attemptTook(a).Milliseconds(), a.reason})
		}
	}
	return test
}

// attemptTook returns how long one of the runs took; of anything else than the run that is not known.
func (c runCase) attemptTook(a attempt) time.Duration {
	if !c.isVerdict() {
		return 0
	}
	return a.run.Info.Took
}

// ctrfAttachments names the reports in a run directory.
func ctrfAttachments(run Run) []ctrfAttachment {
	var all []ctrfAttachment
	for _, format := range Kept() {
		name, _ := format.File()
		kind := mime.TypeByExtension(path.Ext(name))
		if format == Markdown {
			kind = "text/markdown; charset=utf-8"
		}
		if kind == "" {
			kind = "text/plain; charset=utf-8"
		}
		all = append(all, ctrfAttachment{name, kind, path.Join(filepath.ToSlash(clean(run.Info.Directory)), name)})
	}
	return all
}

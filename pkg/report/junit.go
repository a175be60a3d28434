package report

import (
	"encoding/xml"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// junitSuites is the root of junit.xml, as Jenkins, GitLab and GitHub's actions read it. There is no <skipped>:
// what could not be judged must not look green.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr,omitempty"` // seconds
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr,omitempty"`      // seconds
	Timestamp  string          `xml:"timestamp,attr,omitempty"` // of the run's begin, in UTC
	Host       string          `xml:"hostname,attr,omitempty"`  // that recorded the run
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

// junitList has the properties of a case; it is left out as a whole if there are none.
type junitList struct {
	All []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// junitCase is the run, or one of its invariants or faults. Only the run has a time: how long a recovery took is not how long a test took.
type junitCase struct {
	Class         string        `xml:"classname,attr"`
	Name          string        `xml:"name,attr"`
	Time          string        `xml:"time,attr,omitempty"` // seconds
	Properties    *junitList    `xml:"properties"`
	Failure       *junitProblem `xml:"failure"`
	Error         *junitProblem `xml:"error"`
	RerunFailures []junitRerun  `xml:"rerunFailure"`
	RerunErrors   []junitRerun  `xml:"rerunError"`
	FlakyFailures []junitRerun  `xml:"flakyFailure"`
	FlakyErrors   []junitRerun  `xml:"flakyError"`
	Output        *junitOutput  `xml:"system-out"`
}

type junitOutput struct {
	Text string `xml:",cdata"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

// junitRerun is one more run in which a case was not green, as Surefire writes it.
type junitRerun struct {
	Message string      `xml:"message,attr"`
	Type    string      `xml:"type,attr"`
	Trace   junitOutput `xml:"stackTrace"`
}

// junitFormat is a report for CI systems.
func junitFormat() definition {
	return definition{format: JUnit, file: JUnitFile, render: func(verdict check.RunVerdict, info RunInfo, _ Style) ([]byte, error) {
		return RenderJUnit([]Run{{Verdict: verdict, Info: info}})
	}}
}

// RenderJUnit returns the JUnit report of runs: a suite for each plan, whose cases count all its runs. The worst of them decides.
func RenderJUnit(runs []Run) ([]byte, error) {
	root := junitSuites{Name: "sparkchaos"}
	var seconds float64
	for _, plan := range byPlan(runs) {
		suite, err := junitSuiteOf(plan)
		if err != nil {
			return nil, err
		}
		root.Tests, root.Failures, root.Errors = root.Tests+suite.Tests, root.Failures+suite.Failures, root.Errors+suite.Errors
		seconds += plan.took().Seconds()
		root.Suites = append(root.Suites, suite)
	}
	root.Time = junitSeconds(seconds)
	content, err := xml.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode JUnit: %w", err)
	}
	return append([]byte(xml.Header), append(content, '\n')...), nil
}

// junitSeconds writes a time; nothing if it is not known.
func junitSeconds(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", seconds)
}

func junitSuiteOf(plan planRuns) (junitSuite, error) {
	first := plan.runs[0]
	suite := junitSuite{
		Name: clean(first.Verdict.Scenario) + plan.suffix, Time: junitSeconds(plan.took().Seconds()),
		Host: clean(first.Info.Environment.Machine["hostname"]), Properties: junitProperties(first.Verdict, first.Info),
	}
	if began := first.Info.Began; !began.IsZero() {
		suite.Timestamp = began.UTC().Format("2006-01-02T15:04:05") // the XSD takes no fraction and no zone
	}
	cases, err := plan.cases()
	if err != nil {
		return suite, err
	}
	for _, c := range cases {
		suite.Cases = append(suite.Cases, junitCaseOf(c))
		switch c.worst().outcome {
		case failing:
			suite.Failures++
		case erring:
			suite.Errors++
		}
	}
	suite.Tests = len(suite.Cases)
	return suite, nil
}

func junitCaseOf(c runCase) junitCase {
	worst := c.worst()
	made := junitCase{Class: c.class, Name: c.name, Properties: junitCaseProperties(c)}
	if c.isVerdict() {
		made.Time = junitSeconds(c.took().Seconds())
	}
	problem := &junitProblem{Message: c.message(), Type: worst.verdict, Text: problemText(worst)}
	switch worst.outcome {
	case failing:
		made.Failure = problem
	case erring:
		made.Error = problem
	}
	made.addReruns(c)
	var out []string
	if worst.outcome == green {
		out = junitLines(worst.entry)
	}
	if made.Time != "" || worst.outcome != green {
		out = append(out, attachments(worst.run)...)
	}
	if len(out) > 0 {
		made.Output = &junitOutput{Text: strings.Join(out, "\n")}
	}
	return made
}

// addReruns adds the runs in which a case was not green. Where others were, it is flaky as well as failed: readers of flakes look for that,
// and nobody may take it for green.
func (made *junitCase) addReruns(c runCase) {
	bad := c.bad()
	if len(c.attempts) < 2 || len(bad) == 0 {
		return
	}
	flaky := len(bad) < len(c.attempts)
	for i, a := range bad {
		rerun := junitRerun{Message: a.reason, Type: a.verdict, Trace: junitOutput{"run " + clean(a.run.Verdict.RunID) + "\n" + problemText(a)}}
		switch {
		case flaky && a.outcome == failing:
			made.FlakyFailures = append(made.FlakyFailures, rerun)
		case flaky:
			made.FlakyErrors = append(made.FlakyErrors, rerun)
		case i == c.worstOf(bad): // it is the failure or error itself
		case a.outcome == failing:
			made.RerunFailures = append(made.RerunFailures, rerun)
		default:
			made.RerunErrors = append(made.RerunErrors, rerun)
		}
	}
}

func problemText(a attempt) string {
	text := strings.Join(junitLines(a.entry), "\n")
	if reason := clean(a.run.Verdict.Reason); reason != "" && reason != a.reason {
		text += "\nThe run: " + reason
	}
	return text + "\nRun it again: " + a.run.Info.rerun()
}

// attachments returns lines by which Jenkins and GitLab link the files of a run directory.
func attachments(run Run) []string {
	var lines []string
	for _, format := range Kept() {
		name, _ := format.File()
		file := path.Join(filepath.ToSlash(run.Info.Directory), name)
		if format != JUnit && file == clean(file) && !strings.ContainsAny(file, "[]|") { // what else a name has cannot be written in such a line
			lines = append(lines, "[[ATTACHMENT|"+file+"]]")
		}
	}
	return lines
}

// junitCaseProperties returns the properties of a case; nil if there are none.
func junitCaseProperties(c runCase) *junitList {
	all := caseProperties(c)
	if len(all) == 0 {
		return nil
	}
	return &junitList{all}
}

// caseProperties returns what was measured, and which events show it.
func caseProperties(c runCase) []junitProperty {
	worst := c.worst()
	var all []junitProperty
	add := func(name, value string) {
		if value = clean(value); value != "" {
			all = append(all, junitProperty{clean(name), value})
		}
	}
	if n := len(c.attempts); n > 1 {
		add("runs", fmt.Sprint(n))
		add("runs.notGreen", fmt.Sprint(len(c.bad())))
	}
	if r := worst.result; r != nil {
		add("measured", r.Measured)
		add("bound", r.Bound)
		add("events", eventNumbers(r.Evidence, 0))
		for _, phase := range r.Phases {
			add("phase."+phase.Fault+"."+phase.Name, took(phase.Duration))
		}
	}
	if f := worst.fault; f != nil {
		add("kind", f.Kind)
		add("landed", fmt.Sprint(f.Landed))
		add("recovered", fmt.Sprint(f.Recovered))
		add("events", eventNumber(f.Evidence))
		add("proof", strings.Join(worst.proof, "; "))
	}
	return all
}

func junitLines(e entry) []string {
	lines := []string{e.verdict + ": " + e.reason}
	if e.reason == "" {
		lines[0] = e.verdict
	}
	if e.result == nil {
		return lines
	}
	if measured := clean(e.result.Measured); measured != "" {
		line := "measured " + measured
		if bound := clean(e.result.Bound); bound != "" {
			line += ", bound " + bound
		}
		lines = append(lines, line)
	}
	return append(lines, story(*e.result)...)
}

func junitProperties(verdict check.RunVerdict, info RunInfo) []junitProperty {
	properties := []junitProperty{
		{"seed", fmt.Sprint(verdict.Seed)},
		{"runID", clean(verdict.RunID)},
		{"verdict", string(verdict.Verdict)},
		{"reason", clean(verdict.Reason)},
		{"historySHA256", clean(verdict.HistorySHA256)},
		{"cluster", clean(info.Environment.ClusterKind)},
	}
	for _, component := range versions(info) {
		properties = append(properties, junitProperty{"version." + component.name, component.version})
	}
	return properties
}

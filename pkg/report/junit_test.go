package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// junitElement is what the schemas that CI systems use (Jenkins' junit-10.xsd and Surefire's) say about an element.
type junitElement struct {
	required, optional []string // attributes
	children           []string // in this order
	text               bool
}

func junitSchema() map[string]junitElement {
	problem := junitElement{required: []string{"type"}, optional: []string{"message"}, text: true}
	rerun := junitElement{required: []string{"type"}, optional: []string{"message"},
		children: []string{"stackTrace", "system-out", "system-err"}}
	text := junitElement{text: true}
	return map[string]junitElement{
		"testsuites": {optional: []string{"name", "time", "tests", "failures", "errors"}, children: []string{"testsuite"}},
		"testsuite": {
			required: []string{"name", "tests"}, optional: []string{"failures", "errors", "skipped", "time", "timestamp", "hostname"},
			children: []string{"properties", "testcase", "system-out", "system-err"},
		},
		"properties": {children: []string{"property"}},
		"property":   {required: []string{"name", "value"}},
		"testcase": {
			required: []string{"name"}, optional: []string{"classname", "time"},
			children: []string{"properties", "failure", "error", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "system-out",
				"system-err"},
		},
		"failure": problem, "error": problem, "rerunFailure": rerun, "rerunError": rerun, "flakyFailure": rerun, "flakyError": rerun,
		"stackTrace": text, "system-out": text, "system-err": text,
	}
}

// junitForms are the forms of attributes that are not any text.
func junitForms() map[string]*regexp.Regexp {
	number := regexp.MustCompile(`^\d+$`)
	return map[string]*regexp.Regexp{
		"tests": number, "failures": number, "errors": number, "skipped": number, "time": regexp.MustCompile(`^\d+\.\d{3}$`),
		"timestamp": regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`), // xs:dateTime without fraction and zone
	}
}

// checkJUnit reports what a document has that the schemas do not allow.
func checkJUnit(t *testing.T, content []byte) {
	t.Helper()
	schema, forms := junitSchema(), junitForms()
	decoder := xml.NewDecoder(bytes.NewReader(content))
	type open struct {
		name string
		next int // the child from which on others may come
	}
	stack := []open{{name: ""}}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		top := &stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			if top.name == "" && name != "testsuites" {
				t.Errorf("the root is %s", name)
			}
			if top.name != "" {
				place := slices.Index(schema[top.name].children, name)
				if place < top.next {
					t.Errorf("%s in %s is not allowed, or not there", name, top.name)
				}
				top.next = max(top.next, place)
			}
			have := map[string]bool{}
			for _, a := range token.Attr {
				key := a.Name.Local
				have[key] = true
				if !slices.Contains(schema[name].required, key) && !slices.Contains(schema[name].optional, key) {
					t.Errorf("%s has an attribute %s", name, key)
				}
				if form := forms[key]; form != nil && !form.MatchString(a.Value) {
					t.Errorf("%s of %s is %q", key, name, a.Value)
				}
			}
			for _, key := range schema[name].required {
				if !have[key] {
					t.Errorf("a %s has no %s", name, key)
				}
			}
			stack = append(stack, open{name: name})
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if top.name != "" && !schema[top.name].text && len(bytes.TrimSpace(token)) > 0 {
				t.Errorf("%s has text: %s", top.name, token)
			}
		}
	}
}

func decodeJUnit(t *testing.T, content []byte) junitSuites {
	t.Helper()
	checkJUnit(t, content)
	var suites junitSuites
	if err := xml.Unmarshal(content, &suites); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			if id := c.Class + "/" + c.Name; names[id] {
				t.Errorf("two cases have the name %s: only the first counts", id)
			} else {
				names[id] = true
			}
		}
	}
	return suites
}

func TestJUnitKeepsToTheSchema(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		decodeJUnit(t, []byte(render(t, JUnit, s, Style{})))
	}
	decodeJUnit(t, renderRuns(t, sampleRuns()...))
}

func sampleRuns() []Run {
	var runs []Run
	for _, s := range samples() {
		runs = append(runs, Run{s.verdict, s.info})
	}
	return runs
}

func renderRuns(t *testing.T, runs ...Run) []byte {
	t.Helper()
	content, err := RenderJUnit(runs)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func caseOf(t *testing.T, suites junitSuites, name string) junitCase {
	t.Helper()
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			if c.Name == name {
				return c
			}
		}
	}
	t.Fatalf("no case %s in %+v", name, suites)
	return junitCase{}
}

func TestJUnitOfRepeatedRuns(t *testing.T) {
	t.Parallel()
	good, bad, unknown := Run{passing(), info()}, Run{violated(), info()}, Run{notLanded(), info()}
	for _, tt := range []struct {
		name                                          string
		runs                                          []Run
		failure, error                                bool
		flakyFailures, flakyErrors, reruns, rerunErrs int
		message                                       string
	}{
		{"all hold", []Run{good, good, good}, false, false, 0, 0, 0, 0, ""},
		{"one does not", []Run{good, bad, good}, true, false, 1, 0, 0, 0, "in 1 of 3 runs: "},
		{"none holds", []Run{bad, bad, bad}, true, false, 0, 0, 2, 0, "in 3 of 3 runs: "},
		{"one is not judged", []Run{good, unknown}, false, true, 0, 1, 0, 0, "in 1 of 2 runs: "},
		{"a violation outranks what is not judged", []Run{unknown, bad, good}, true, false, 1, 1, 0, 0, "in 2 of 3 runs: "},
		{"bad in two ways", []Run{unknown, bad}, true, false, 0, 0, 0, 1, "in 2 of 2 runs: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			suites := decodeJUnit(t, renderRuns(t, tt.runs...))
			c := caseOf(t, suites, "driverRescheduled")
			if (c.Failure != nil) != tt.failure || (c.Error != nil) != tt.error {
				t.Errorf("failure %v, error %v", c.Failure, c.Error)
			}
			got := []int{len(c.FlakyFailures), len(c.FlakyErrors), len(c.RerunFailures), len(c.RerunErrors)}
			if want := []int{tt.flakyFailures, tt.flakyErrors, tt.reruns, tt.rerunErrs}; !cmp.Equal(want, got) {
				t.Errorf("flaky failures and errors, reruns with a failure and an error: %v, want %v", got, want)
			}
			for _, p := range []*junitProblem{c.Failure, c.Error} {
				if p != nil && !strings.HasPrefix(p.Message, tt.message) {
					t.Errorf("message %q, want %q …", p.Message, tt.message)
				}
			}
		})
	}
}

func TestJUnitNamesTheRepetitionAndThePlan(t *testing.T) {
	t.Parallel()
	first, second := Run{passing(), info()}, Run{passing(), info()}
	second.Info.Environment.Repetition = Repetition{2, 3}
	caseOf(t, decodeJUnit(t, renderRuns(t, second)), "driverRescheduled [2 of 3]")
	caseOf(t, decodeJUnit(t, renderRuns(t, first, second)), "driverRescheduled") // told together, they are one case
	second.Verdict.Seed = 43
	suites := decodeJUnit(t, renderRuns(t, first, second))
	caseOf(t, suites, "driverRescheduled [seed 42, embedded]")
	if len(suites.Suites) != 2 {
		t.Errorf("%d suites", len(suites.Suites))
	}
	twice := passing()
	twice.Results = append(twice.Results, twice.Results[0])
	caseOf(t, decodeJUnit(t, renderRuns(t, Run{twice, info()})), "driverRescheduled #2")
}

// The report names the machine that was recorded: anyone who reads the run elsewhere must find the same.
func TestJUnitTellsWhenAndWhereTheRunWasRecorded(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if err := WriteFiles(directory, passing(), RunInfo{}, JSON); err != nil {
		t.Fatal(err)
	}
	read := func() junitSuite {
		verdict, info, err := Load(directory)
		if err != nil {
			t.Fatal(err)
		}
		return decodeJUnit(t, renderRuns(t, Run{verdict, info})).Suites[0]
	}
	if got := read(); got.Timestamp != "" || got.Host != "" {
		t.Errorf("nothing was recorded, and it says %q on %q", got.Timestamp, got.Host)
	}
	history := `{"seq":1,"offset":1000000000,"wall":"2026-01-02T03:04:06.5+02:00","source":"harness","type":"runStarted",` +
		`"data":{"formatVersion":1}}` + "\n"
	for name, content := range map[string]string{HistoryFile: history, EnvironmentFile: `{"machine":{"hostname":"ci-7"}}`} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(); got.Timestamp != "2026-01-02T01:04:05" || got.Host != "ci-7" {
		t.Errorf("it says %q on %q", got.Timestamp, got.Host)
	}
}

func TestJUnitShowsTheProofOfAFault(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	history := `{"seq":1,"wall":"2026-01-02T03:04:05Z","source":"harness","type":"runStarted","data":{"formatVersion":1}}
{"seq":2,"wall":"2026-01-02T03:04:06Z","source":"fault","type":"landed","data":{"fault":"lose-driver-node","kind":"nodePowerOff",` +
		`"evidence":{"observations":[{"what":"node worker-1 is off"},{"what":"it has no process"}]}}}
`
	if err := os.WriteFile(filepath.Join(directory, HistoryFile), []byte(history), 0o600); err != nil {
		t.Fatal(err)
	}
	c := caseOf(t, decodeJUnit(t, renderRuns(t, Run{passing(), RunInfo{Directory: directory}})), "lose-driver-node")
	want := []junitProperty{
		{"kind", "nodePowerOff"}, {"landed", "true"}, {"recovered", "true"}, {"events", "#120"},
		{"proof", "node worker-1 is off; it has no process"},
	}
	if diff := cmp.Diff(want, c.Properties.All); diff != "" {
		t.Error(diff)
	}
}

// One cause of many problems is read first, and with each of them.
func TestJUnitTellsTheCauseFirst(t *testing.T) {
	t.Parallel()
	verdict := notLanded()
	suites := decodeJUnit(t, renderRuns(t, Run{verdict, RunInfo{Directory: "runs/x", Took: 90 * time.Second}}))
	cases := suites.Suites[0].Cases
	if first := cases[0]; first.Name != "verdict" || first.Error == nil || first.Error.Message != verdict.Reason || first.Time != "90.000" {
		t.Errorf("the first case is %+v", first)
	}
	for _, c := range cases[1:] {
		if c.Error == nil || !strings.Contains(c.Error.Text, "The run: "+verdict.Reason) ||
			!strings.Contains(c.Output.Text, "[[ATTACHMENT|runs/x/"+MarkdownFile+"]]") {
			t.Errorf("%s does not tell the cause, or links nothing: %+v", c.Name, c.Error)
		}
	}
	if slices.ContainsFunc(attachments(Run{Info: RunInfo{Directory: "a]]b"}}), func(line string) bool { return true }) {
		t.Error("a path that cannot be written is linked")
	}
}

func TestNoRunIsAnEmptyReport(t *testing.T) {
	t.Parallel()
	if got := decodeJUnit(t, renderRuns(t)); got.Tests != 0 || len(got.Suites) != 0 {
		t.Errorf("%+v", got)
	}
}

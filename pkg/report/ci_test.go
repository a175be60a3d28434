package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/internal/golden"
)

// ctrfObjects are the members that the schema of CTRF requires and allows, by the path of the object.
func ctrfObjects() map[string][2][]string {
	return map[string][2][]string{
		"":             {{"reportFormat", "specVersion", "results"}, {"generatedBy"}},
		"results":      {{"tool", "summary", "tests"}, {"environment"}},
		"results.tool": {{"name"}, {"version"}},
		"results.summary": {{"tests", "passed", "failed", "pending", "skipped", "other", "start", "stop"},
			{"flaky", "suites", "duration"}},
		"results.environment": {nil, {"testEnvironment", "extra"}},
		"results.tests[]": {{"name", "status", "duration"},
			{"rawStatus", "suite", "message", "trace", "retries", "flaky", "retryAttempts", "labels", "attachments"}},
		"results.tests[].retryAttempts[]": {{"attempt", "status"}, {"duration", "message"}},
		"results.tests[].attachments[]":   {{"name", "contentType", "path"}, nil},
	}
}

func checkCTRF(t *testing.T, path string, value any) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		for _, each := range value {
			checkCTRF(t, path+"[]", each)
		}
	case map[string]any:
		members, known := ctrfObjects()[path]
		if !known {
			return // any members
		}
		for _, name := range members[0] {
			if _, ok := value[name]; !ok {
				t.Errorf("%s has no %s", path, name)
			}
		}
		for name, each := range value {
			if !slices.Contains(members[0], name) && !slices.Contains(members[1], name) {
				t.Errorf("%s has a member %s", path, name)
			}
			checkCTRF(t, strings.TrimPrefix(path+"."+name, "."), each)
		}
	}
}

func TestCTRF(t *testing.T) {
	t.Parallel()
	for _, runs := range [][]Run{nil, sampleRuns(), {{passing(), info()}, {violated(), info()}}} {
		content, err := RenderCTRF(runs)
		if err != nil {
			t.Fatal(err)
		}
		var document any
		var r ctrfReport
		if err := json.Unmarshal(content, &document); err != nil {
			t.Fatal(err)
		}
		checkCTRF(t, "", document)
		if err := json.Unmarshal(content, &r); err != nil {
			t.Fatal(err)
		}
		passed := 0
		for _, test := range r.Results.Tests {
			if test.Name == "" || len(test.Suite) == 0 || test.Status != ctrfPassed && test.Status != ctrfFailed {
				t.Errorf("%+v", test)
			}
			if test.Status == ctrfPassed {
				passed++
			}
		}
		s := r.Results.Summary
		if s.Tests != len(r.Results.Tests) || s.Passed != passed || s.Failed != s.Tests-passed {
			t.Errorf("%+v, and %d of %d passed", s, passed, len(r.Results.Tests))
		}
		junit := decodeJUnit(t, renderRuns(t, runs...))
		if junit.Tests != s.Tests || junit.Failures+junit.Errors != s.Failed {
			t.Errorf("JUnit has %d tests, %d failures, %d errors; CTRF %+v", junit.Tests, junit.Failures, junit.Errors, s)
		}
	}
}

func TestGoldenOfCIFormats(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		for format, ending := range map[Format]string{CTRF: ".ctrf.json", GitHub: ".github.md"} {
			if s.name != "pass" && s.name != "violation" && s.name != "not-landed" {
				continue
			}
			golden.Compare(t, filepath.Join("testdata", s.name+ending), []byte(render(t, format, s, Style{})), *update)
		}
	}
}

func TestSummaryShowsTheWorstFirst(t *testing.T) {
	t.Parallel()
	content, err := RenderSummary([]Run{{passing(), info()}, {notLanded(), info()}, {violated(), info()}}, MaxSummary)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?s)^# sparkchaos: 3 runs: 1 violation, 1 inconclusive, 1 pass\n.*\*\*violation\*\*.*\*\*inconclusive\*\*.*\| ` +
		`pass \|.*# driver\\?-node.*: violation`).Match(content) {
		t.Errorf("%s", content)
	}
	if empty, err := RenderSummary(nil, MaxSummary); err != nil || !strings.Contains(string(empty), "0 runs: nothing was judged") {
		t.Errorf("%s, %v", empty, err)
	}
}

func TestATableOfRunsShowsTheWorstFirst(t *testing.T) {
	t.Parallel()
	content, err := RenderRuns([]Run{{passing(), info()}, {notLanded(), info()}, {violated(), info()}, {hostile(), RunInfo{}}}, Style{})
	if err != nil {
		t.Fatal(err)
	}
	want := `(?s)^4 runs: .*1 pass\n.*│ violation .*driverRescheduled was violated.*│ inconclusive .*did not land.*│ pass +│ ` +
		`driver-node-power-off +│ 42 +│ 1m1.23s +│ +│ runs/latest`
	if !regexp.MustCompile(want).Match(content) || bytes.ContainsRune(content, '\x1b') {
		t.Errorf("%s", content)
	}
	narrow, err := RenderRuns([]Run{{violated(), info()}}, Style{Width: 100})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(narrow)) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d columns of 100: %s", n, line)
		}
	}
}

// A summary that is too large is dropped by GitHub as a whole: it is cut, says so, and stays a text.
func TestSummaryIsCutWithAWord(t *testing.T) {
	t.Parallel()
	runs := slices.Repeat([]Run{{violated(), info()}, {hostile(), hostileInfo()}}, 10)
	whole, err := RenderSummary(runs, MaxSummary)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, len(whole)).Draw(t, "most")
		content, err := RenderSummary(runs, most)
		if err != nil {
			t.Fatal(err)
		}
		cut := most < len(whole)
		if len(content) > most || !utf8.Valid(content) || cut && len(content) > 0 && !strings.HasSuffix(string(content), summaryCut) {
			t.Errorf("%d bytes of %d: %q", len(content), most, content[max(0, len(content)-80):])
		}
		if cut && most >= len(summaryCut) && len(content) == 0 {
			t.Errorf("nothing is left of %d bytes", most)
		}
	})
	long, err := RenderSummary(slices.Repeat(runs, 60), MaxSummary)
	if err != nil || len(long) > MaxSummary || len(long) < MaxSummary-10_000 {
		t.Errorf("%d bytes, %v", len(long), err)
	}
}

func TestAnnotations(t *testing.T) {
	t.Parallel()
	if got := Annotations([]Run{{passing(), info()}}); len(got) != 0 {
		t.Errorf("a pass has %v", got)
	}
	line := regexp.MustCompile(`^::error title=[^:,\r\n]*::[^\r\n]*$`)
	for n := range 25 {
		runs := append(slices.Repeat([]Run{{notLanded(), info()}}, n), Run{violated(), info()}, Run{hostile(), hostileInfo()},
			Run{passing(), info()})
		lines := Annotations(runs)
		if len(lines) > MaxAnnotations || len(lines) != min(n+2, MaxAnnotations) || !strings.Contains(lines[0], "violation") {
			t.Errorf("%d runs have %d: %v", n+2, len(lines), lines)
		}
		for _, l := range lines {
			if !line.MatchString(l) {
				t.Errorf("not a command: %q", l)
			}
		}
		if more := n + 2 - (MaxAnnotations - 1); more > 1 && !strings.Contains(lines[MaxAnnotations-1], fmt.Sprintf("%d more runs", more)) {
			t.Errorf("the last of %d says %q", n+2, lines[MaxAnnotations-1])
		}
	}
	if got, want := annotation("a:b,c%\n", "100%\r\n::error::x"), "::error title=a%3Ab%2Cc%25%0A::100%25%0D%0A::error::x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

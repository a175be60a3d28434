package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// TestAnInterruptedRunSaysSoFirst has the headline agree with the exit code 130.
func TestAnInterruptedRunSaysSoFirst(t *testing.T) {
	t.Parallel()
	long := `{"seq":1,"type":"problem","data":{"what":"` + strings.Repeat("x", 2*endOfHistory) + `"}}` + "\n"
	for name, tt := range map[string]struct {
		history string
		want    bool // whether it was interrupted
	}{
		"interrupted": {`{"seq":1,"type":"runStarted"}` + "\n" + `{"seq":2,"type":"runEnded","data":{"interrupted":true}}` + "\n",
			true},
		"interrupted after much":   {long + `{"seq":2,"type":"runEnded","data":{"interrupted":true}}` + "\n", true},
		"ended":                    {`{"seq":2,"type":"runEnded","data":{}}` + "\n", false},
		"an interrupt is not last": {`{"seq":1,"type":"runEnded","data":{"interrupted":true}}` + "\n" + `{"seq":2,"type":"pod"}` + "\n", false},
		"another event says so":    {`{"seq":2,"type":"problem","data":{"interrupted":true}}` + "\n", false},
		"torn":                     {`{"seq":2,"type":"runEnded","data":{"interr`, false},
		"one long line":            {long, false},
		"empty":                    {"", false},
	} {
		directory := t.TempDir()
		if err := os.WriteFile(filepath.Join(directory, HistoryFile), []byte(tt.history), 0o600); err != nil {
			t.Fatal(err)
		}
		verdict := check.RunVerdict{Scenario: "s", Verdict: check.Violation, Reason: "nothingLeftBehind: a node"}
		if err := WriteFiles(directory, verdict, RunInfo{}, JSON); err != nil {
			t.Fatal(err)
		}
		verdict, info, err := Load(directory)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []Format{Table, Markdown} {
			shown, err := Render(format, verdict, info, Style{})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(shown), "INTERRUPTED (violation)"); got != tt.want {
				t.Errorf("%s, %s: interrupted is %v, want %v:\n%s", name, format, got, tt.want, shown)
			}
		}
	}
	if took, got, err := endOf(filepath.Join(t.TempDir(), "absent")); took != 0 || got || err != nil {
		t.Errorf("no history: %v, %v, %v", took, got, err)
	}
}

// TestTheLineThatRunsItAgainAsksAgain leaves out what answers the question, also of runs of earlier versions.
func TestTheLineThatRunsItAgainAsksAgain(t *testing.T) {
	t.Parallel()
	info := RunInfo{Directory: "runs/x", Environment: Environment{Flags: []string{"--allow-context=lab", "--yes=true", "--yes", "-y",
		"--context=lab"}}}
	if got, want := info.rerun(), "sparkchaos run --plan runs/x/plan.yaml --allow-context=lab --context=lab"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The time of a run comes from its history into JUnit.
func TestHowLongTheRunTook(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ history, want string }{
		"ended": {`{"seq":1,"offset":0,"type":"runStarted"}` + "\n" + `{"seq":2,"offset":133500000000,"type":"runEnded","data":{}}` + "\n",
			` time="133.500"`},
		"torn": {`{"seq":1,"offset":5,"type":"pod"}` + "\n" + `{"seq":2,"offset":1335000`, ""},
	} {
		directory := t.TempDir()
		if err := os.WriteFile(filepath.Join(directory, HistoryFile), []byte(tt.history), 0o600); err != nil {
			t.Fatal(err)
		}
		verdict := check.RunVerdict{Scenario: "s", Verdict: check.Pass}
		if err := WriteFiles(directory, verdict, RunInfo{}, JSON); err != nil {
			t.Fatal(err)
		}
		verdict, info, err := Load(directory)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := Render(JUnit, verdict, info, Style{})
		if err != nil || strings.Contains(string(shown), " time=") != (tt.want != "") || !strings.Contains(string(shown), tt.want) {
			t.Errorf("%s: %v, want %q in\n%s", name, err, tt.want, shown)
		}
	}
}

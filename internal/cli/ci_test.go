package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

func runsWith(verdicts ...check.Verdict) []report.Run {
	var runs []report.Run
	for _, verdict := range verdicts {
		runs = append(runs, report.Run{
			Verdict: check.RunVerdict{Scenario: "s", Verdict: verdict, Reason: "it is so",
				Results: []check.Result{{Invariant: "completes", Verdict: verdict}}},
			Info: report.RunInfo{Directory: "runs/x"},
		})
	}
	return runs
}

func TestCIReportsOfAllRuns(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	reports := ciReports{junit: filepath.Join(directory, "junit.xml"), ctrf: filepath.Join(directory, "ctrf.json")}
	summary := filepath.Join(directory, "summary.md")
	if err := os.WriteFile(summary, []byte("of another command\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	getenv := environment(map[string]string{stepSummary: summary})
	if err := reports.write(&out, getenv, runsWith(check.Pass, check.Violation)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{reports.junit: `failures="2"`, reports.ctrf: `"flaky": 2`,
		summary: "of another command\n# sparkchaos: 2 runs: 1 violation, 1 pass\n"} {
		content, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(content), want) {
			t.Errorf("%s: %v, no %q in\n%s", file, err, want, content)
		}
	}
	if got := out.String(); strings.Count(got, "::error ") != 1 {
		t.Errorf("annotations: %s", got)
	}
}

func TestNothingIsWrittenUnasked(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := (ciReports{}).write(&out, environment(nil), runsWith(check.Violation)); err != nil || out.Len() > 0 {
		t.Errorf("%v, %s", err, &out)
	}
}

func TestAFullSummaryIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "summary.md")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), report.MaxSummary-10), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tellGitHub(&bytes.Buffer{}, file, runsWith(check.Pass)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() > report.MaxSummary {
		t.Errorf("%v, %v: GitHub would drop all of it", info.Size(), err)
	}
}

func TestReportsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	absent := filepath.Join(t.TempDir(), "absent", "file")
	if err := (ciReports{junit: absent}).write(&bytes.Buffer{}, environment(map[string]string{stepSummary: absent}), nil); err == nil ||
		!strings.Contains(err.Error(), "the report of all runs") || !strings.Contains(err.Error(), stepSummary) {
		t.Errorf("%v", err)
	}
}

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

func runDirectory(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	verdict := check.RunVerdict{Verdict: check.Violation, Reason: "completes was violated", Scenario: "s", RunID: "r",
		Results: []check.Result{{Invariant: "completes", Verdict: check.Violation, Message: "it did not end"}}}
	if err := report.WriteFiles(directory, verdict, report.RunInfo{Directory: directory}, report.JSON); err != nil {
		t.Fatal(err)
	}
	return directory
}

func TestReport(t *testing.T) {
	t.Parallel()
	directory := runDirectory(t)
	tests := map[string]struct {
		args    []string
		code    ExitCode
		out     []string
		message string
	}{
		"table by default": {[]string{directory}, ExitPass, []string{"│ completes", "VIOLATION", "sparkchaos run --plan " + directory}, ""},
		"several formats": {[]string{directory, "--format", "json,md,junit"}, ExitPass,
			[]string{`"verdict": "violation"`, "## Invariants", "<failure"}, ""},
		"unknown format":   {[]string{directory, "--format", "pdf"}, ExitUsage, nil, `format "pdf" is unknown`},
		"no run directory": {[]string{filepath.Join(directory, "absent")}, ExitUsage, nil, "sparkchaos check"},
		"no directory for it": {[]string{directory, "--format", "junit", "--out", filepath.Join(directory, "absent")}, ExitError, nil,
			"write report"},
		"no argument": {nil, ExitUsage, nil, `expected "report RUNDIR"; got no argument`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := newReportCommand(environment(nil))
			command.SilenceErrors, command.SilenceUsage = true, true
			code, out, message := run(t.Context(), command, test.args...)
			if code != test.code || !strings.Contains(message, test.message) {
				t.Errorf("exit code %d and %q, want %d and %q", code, message, test.code, test.message)
			}
			for _, want := range test.out {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
}

func TestReportIntoFiles(t *testing.T) {
	t.Parallel()
	directory, out := runDirectory(t), t.TempDir()
	code, printed, message := run(t.Context(), newReportCommand(environment(nil)), directory, "--format", "table,junit,md", "--out", out)
	if code != ExitPass || !strings.Contains(printed, "│ completes") || strings.Contains(printed, "<failure") {
		t.Errorf("exit code %d, %s, printed:\n%s", code, message, printed)
	}
	for _, name := range []string{"junit.xml", "report.md"} {
		if content, err := os.ReadFile(filepath.Join(out, name)); err != nil || len(content) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(content), err)
		}
	}
}

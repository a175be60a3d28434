package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// recordedRun makes a run directory with the history of a run, and returns both.
func recordedRun(t *testing.T, twist func(*historytest.Story)) (string, []byte) {
	t.Helper()
	story := historytest.PowerOff(historytest.Expect("completes", map[string]any{"within": "50s"}))
	if twist != nil {
		twist(story)
	}
	content, err := story.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, historyFile), content, 0o644); err != nil {
		t.Fatal(err)
	}
	return directory, content
}

// checkCommand is quiet about usage, as below the root.
func checkCommand() *cobra.Command {
	command := newCheckCommand(environment(nil))
	command.SilenceErrors, command.SilenceUsage = true, true
	return command
}

func TestCheckExitsWithTheVerdict(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		twist func(*historytest.Story)
		args  []string
		code  ExitCode
		out   string
	}{
		"pass":         {nil, nil, ExitPass, "completes"},
		"violation":    {func(s *historytest.Story) { s.Completed = 0; s.Ended *= 2 }, nil, ExitViolation, "VIOLATION"},
		"inconclusive": {func(s *historytest.Story) { s.Ended = 0 }, nil, ExitInconclusive, "INCONCLUSIVE"},
		"error":        {func(s *historytest.Story) { s.End.Error = "no API server" }, nil, ExitError, "no API server"},
		"json":         {nil, []string{"-o", "json"}, ExitPass, `"verdict": "pass"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory, _ := recordedRun(t, test.twist)
			code, out, message := run(t.Context(), checkCommand(), append(test.args, directory)...)
			if code != test.code || !strings.Contains(out, test.out) || message != "" {
				t.Errorf("exit code %d, want %d with %q; said %q, printed:\n%s", code, test.code, test.out, message, out)
			}
			stored, _, err := report.Load(directory)
			if err != nil || codeOfVerdict(stored.Verdict) != test.code {
				t.Errorf("verdict.json says %q, %v", stored.Verdict, err)
			}
		})
	}
}

func TestCheckAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change  func([]byte) []byte
		message string
	}{
		"identical": {func(b []byte) []byte { return b }, ""},
		"other verdict": {func(b []byte) []byte { return bytes.Replace(b, []byte(`"pass"`), []byte(`"violation"`), 1) },
			"it says violation, the history gives pass"},
		"other history": {func(b []byte) []byte { return bytes.Replace(b, []byte(`SHA256": "`), []byte(`SHA256": "0`), 1) },
			"another history"},
		"other details":    {func(b []byte) []byte { return bytes.Replace(b, []byte("44.5s"), []byte("4s"), 1) }, "its details are not"},
		"cannot be read":   {func([]byte) []byte { return []byte("{") }, "not JSON"},
		"nothing is there": {func([]byte) []byte { return nil }, "not JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory, _ := recordedRun(t, nil)
			path := filepath.Join(directory, report.VerdictFile)
			if code, _, message := run(t.Context(), checkCommand(), directory); code != ExitPass {
				t.Fatalf("first check: %d, %s", code, message)
			}
			first, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := test.change(bytes.Clone(first))
			if err := os.WriteFile(path, changed, 0o644); err != nil {
				t.Fatal(err)
			}
			wantCode := ExitError
			if test.message == "" {
				wantCode = ExitPass
			}
			code, _, message := run(t.Context(), checkCommand(), directory, "--verify")
			if code != wantCode || !strings.Contains(message, test.message) {
				t.Errorf("--verify: exit code %d and %q, want %d and %q", code, message, wantCode, test.message)
			}
			if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, changed) {
				t.Errorf("--verify changed verdict.json (%v)", err)
			}
			code, _, message = run(t.Context(), checkCommand(), directory)
			if code != ExitPass || !strings.Contains(message, test.message) {
				t.Errorf("exit code %d and %q, want pass and %q", code, message, test.message)
			}
			if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, first) {
				t.Errorf("judged again, verdict.json differs (%v)", err)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	sound, _ := recordedRun(t, nil)
	other, content := recordedRun(t, nil)
	content = bytes.Replace(content, []byte(`"formatVersion":1`), []byte(`"formatVersion":9`), 1)
	if err := os.WriteFile(filepath.Join(other, historyFile), content, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args    []string
		code    ExitCode
		message string
	}{
		"no run directory":  {[]string{t.TempDir()}, ExitUsage, "runs/latest"},
		"no argument":       {nil, ExitUsage, `expected "check RUNDIR"; got no argument`},
		"unknown output":    {[]string{sound, "-o", "xml"}, ExitUsage, `"xml" is unknown`},
		"another version":   {[]string{other}, ExitError, "format version 9"},
		"nothing to verify": {[]string{sound, "--verify"}, ExitError, "nothing to verify"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, message := run(t.Context(), checkCommand(), test.args...)
			if code != test.code || !strings.Contains(message, test.message) {
				t.Errorf("exit code %d and %q, want %d and %q", code, message, test.code, test.message)
			}
		})
	}
}

// A plan or a scenario that is not the run's own is named, and makes --verify fail; the verdict is the history's.
func TestCheckNamesFilesOfAnotherRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, content, says string
	}{
		{"another plan", planFile, "expect:\n- completes: {within: 5s}\n",
			"is not the plan that the history was recorded with: they differ in expect"},
		{"a plan that is none", planFile, ": :\n- x", "cannot be read"},
		{"another scenario", scenarioFile, "kind: Scenario\n", "is not the scenario of the run"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			directory, content := recordedRun(t, nil)
			digest := bytes.Replace(content, []byte(`"clusterKind":"embedded"`), []byte(`"clusterKind":"embedded","scenarioSHA256":"00"`), 1)
			if err := os.WriteFile(filepath.Join(directory, historyFile), digest, 0o600); err != nil {
				t.Fatal(err)
			}
			run := func(args ...string) error {
				command := checkCommand()
				var out, errs bytes.Buffer
				command.SetOut(&out)
				command.SetErr(&errs)
				command.SetArgs(append([]string{directory}, args...))
				return command.Execute()
			}
			if err := run(); codeOf(err) != ExitPass {
				t.Fatalf("check: %v", err)
			}
			if err := run("--verify"); codeOf(err) != ExitPass {
				t.Fatalf("check --verify of an untouched directory: %v", err)
			}
			if err := os.WriteFile(filepath.Join(directory, tt.file), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := run("--verify"); err == nil || codeOf(err) != ExitError || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("check --verify: %v, want an error with %q", err, tt.says)
			}
		})
	}
}

package cli

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestGate(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	putRecordedRun(t, filepath.Join(root, "one"), "driver-node-power-off")
	putRecordedRun(t, filepath.Join(root, "two"), "executor-pod-kill")
	broken := writeFile(t, "broken.yaml", "apiVersion: sparkchaos.dev/v1alpha1\nkind: Rules\nrules:\n- {name: fast, phase: "+
		"{name: detection, within: 1ms}}\n")
	wrong := writeFile(t, "wrong.yaml", "apiVersion: sparkchaos.dev/v1alpha1\nkind: Rules\nrules:\n- {name: fast}\n")
	for name, tt := range map[string]struct {
		args []string
		code ExitCode
		says string
	}{
		"all passed":        {[]string{root, "--expect", "2"}, ExitPass, "gate: PASS"},
		"as JSON":           {[]string{root, "-o", "json"}, ExitPass, `"verdict": "pass"`},
		"too few":           {[]string{root, "--expect", "24"}, ExitInconclusive, "2 of 24 that were expected"},
		"a broken rule":     {[]string{root, "--rules", broken}, ExitViolation, "broken         fast: the longest of"},
		"a mistake in them": {[]string{root, "--rules", wrong}, ExitUsage, "wrong.yaml:4:3:"},
		"no rules":          {[]string{root, "--rules", filepath.Join(root, "absent")}, ExitUsage, "--rules"},
		"no directory":      {[]string{filepath.Join(root, "absent")}, ExitUsage, "absent"},
		"nothing ran":       {[]string{t.TempDir()}, ExitInconclusive, "no rule was evaluated"},
		"minus one":         {[]string{root, "--expect=-1"}, ExitUsage, "--expect -1"},
		"another form":      {[]string{root, "-o", "xml"}, ExitUsage, "--output"},
		"a report nowhere":  {[]string{root, "--junit", filepath.Join(root, "absent", "j.xml")}, ExitError, "the report of all runs"},
	} {
		code, out, message := run(t.Context(), newGateCommand(environment(nil)), tt.args...)
		if code != tt.code || !strings.Contains(out+message, tt.says) {
			t.Errorf("%s: exit %d, want %d; no %q in\n%s%s", name, code, tt.code, tt.says, out, message)
		}
	}
}

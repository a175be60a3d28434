package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// storedRun returns a run directory with a recorded history, judged.
func storedRun(t *testing.T, name string) string {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "20260102T030405-"+name+"-1")
	putRecordedRun(t, directory, name)
	return directory
}

func putRecordedRun(t *testing.T, directory, name string) {
	t.Helper()
	content := historytest.Unpack(t, filepath.Join("..", "..", "pkg", "check", "testdata", "recorded", name+".ndjson.gz"))
	verdict, err := check.Judge(t.Context(), history.NewReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, report.HistoryFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteFiles(directory, verdict, report.RunInfo{Directory: directory}, report.JSON); err != nil {
		t.Fatal(err)
	}
}

func TestTell(t *testing.T) {
	t.Parallel()
	directory := storedRun(t, "driver-node-power-off")
	code, out, message := run(t.Context(), newTellCommand(environment(nil)), directory)
	if code != ExitPass || message != "" {
		t.Fatalf("exit code %d, %s", code, message)
	}
	for _, want := range []string{"driver-node-power-off: PASS", "Who noticed", "that cost driver incarnation 1", "task-seconds lost", "[#"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestTellWithoutARun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ directory, message string }{
		"no directory": {filepath.Join(t.TempDir(), "absent"), "sparkchaos check"},
		"no history":   {runDirectory(t), "there is nothing to tell"},
	} {
		code, _, message := run(t.Context(), newTellCommand(environment(nil)), test.directory)
		if code != ExitUsage || !strings.Contains(message, test.message) {
			t.Errorf("%s: exit code %d, %q", name, code, message)
		}
	}
}

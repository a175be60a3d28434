package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// TestCheckWaitsForNoWriter has pipes where a run directory has files: who opened them as files would wait for ever.
func TestCheckWaitsForNoWriter(t *testing.T) {
	t.Parallel()
	for _, name := range []string{historyFile, report.VerdictFile, report.EnvironmentFile} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory, _ := recordedRun(t, nil)
			path := filepath.Join(directory, name)
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, message := run(t.Context(), checkCommand(), directory)
			if code != ExitError || !strings.Contains(message, "expected a regular file") {
				t.Errorf("exit code %d, %q, want %d and that %s is no regular file", code, message, ExitError, name)
			}
		})
	}
}

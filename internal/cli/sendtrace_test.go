package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReportSendsATrace(t *testing.T) {
	t.Parallel()
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		got = string(content)
	}))
	defer server.Close()
	directory := storedRun(t, "executor-pod-kill")
	code, _, message := run(t.Context(), newReportCommand(environment(nil)), directory, "--otlp-endpoint", server.URL)
	if code != ExitPass || !strings.Contains(message, "/v1/traces") || !strings.Contains(got, `"run executor-pod-kill"`) {
		t.Errorf("exit code %d, %q; sent %.100s", code, message, got)
	}
	if code, _, message := run(t.Context(), newReportCommand(environment(nil)), directory, "--otlp-endpoint", "localhost"); code != ExitUsage {
		t.Errorf("no URL: exit code %d, %q", code, message)
	}
}

func TestReportWritesTracesIntoFiles(t *testing.T) {
	t.Parallel()
	directory, out := storedRun(t, "executor-pod-kill"), t.TempDir()
	code, printed, message := run(t.Context(), newReportCommand(environment(nil)), directory, "--format", "chrome,perfetto,otlp,ctrf,github",
		"--out", out)
	if code != ExitPass || printed != "" {
		t.Fatalf("exit code %d, %q, %q", code, message, printed)
	}
	for _, name := range []string{"trace.chrome.json", "trace.pftrace", "trace.otlp.json", "ctrf.json", "summary.md"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(filepath.Join(directory, historyFile)); err != nil {
		t.Fatal(err)
	}
	if code, _, message := run(t.Context(), newReportCommand(environment(nil)), directory, "--format", "chrome"); code != ExitError ||
		!strings.Contains(message, "traces and metrics are made of the history") {
		t.Errorf("without a history: exit code %d, %q", code, message)
	}
}

package nodecli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadHasAnEnd has what pods can leave on a node's disk: reading it must end, and fit into the harness's memory.
func TestReadHasAnEnd(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	pipe, sparse := filepath.Join(directory, "pipe"), filepath.Join(directory, "sparse")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sparse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(sparse, 1<<40); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{pipe: "expected a regular file", sparse: "more than such a file should have"} {
		if out, err := node(t, "read", path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("read %s: %d bytes, %v, want %q", path, len(out), err, want)
		}
	}
}

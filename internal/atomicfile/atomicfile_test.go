package atomicfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "file")
	for _, tt := range []struct {
		content     string
		permissions os.FileMode
	}{{"first", 0o600}, {"the second one", 0o644}, {"", 0o600}} {
		if err := atomicfile.Write(path, []byte(tt.content), tt.permissions); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil || string(content) != tt.content {
			t.Errorf("got %q, %v; want %q", content, err, tt.content)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != tt.permissions {
			t.Errorf("got %v, %v; want %v", info.Mode(), err, tt.permissions)
		}
	}
	entries, err := os.ReadDir(directory)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files are left, %v; want 1", len(entries), err)
	}
}

// A reader that has the file open keeps the content that it opened.
func TestReadersKeepWhatTheyOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := atomicfile.Write(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := atomicfile.Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 8)
	if n, _ := file.Read(content); string(content[:n]) != "old" {
		t.Errorf("got %q, want the old content", content[:n])
	}
}

func TestFailuresLeaveNothing(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if err := atomicfile.Write(filepath.Join(directory, "none", "file"), nil, 0o600); err == nil {
		t.Error("the directory is missing, want an error")
	}
	taken := filepath.Join(directory, "taken")
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(taken, []byte("x"), 0o600); err == nil {
		t.Error("a directory has the name, want an error")
	}
	entries, err := os.ReadDir(directory)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d entries, %v; want the directory alone", len(entries), err)
	}
}

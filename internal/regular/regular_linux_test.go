package regular

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// oddities makes a directory with a file and with what is none, and returns their paths.
func oddities(t *testing.T) (directory string) {
	t.Helper()
	directory = t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(directory, "pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "file", "link-to-pipe": "pipe", "link-to-device": "/dev/zero"} {
		if err := os.Symlink(to, filepath.Join(directory, link)); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	t.Parallel()
	directory := oddities(t)
	for name, want := range map[string]string{
		"file": "", "link": "", "pipe": "expected a regular file", "link-to-pipe": "expected a regular file",
		"link-to-device": "expected a regular file",
		".":              "expected a regular file", "missing": "no such file",
	} {
		content, err := ReadFile(filepath.Join(directory, name), 7)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) || err == nil && string(content) != "content" {
			t.Errorf("%s: %q, %v, want %q", name, content, err, want)
		}
	}
	if _, err := ReadFile(filepath.Join(directory, "file"), 6); err == nil || !strings.Contains(err.Error(), "more than 6 bytes") {
		t.Errorf("a file that is too large: %v", err)
	}
	if _, err := Open(filepath.Join(directory, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is missing: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestFSWaitsForNobody(t *testing.T) {
	t.Parallel()
	directory := oddities(t)
	root, err := os.OpenRoot(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	disk := FS(root)
	pipe, err := disk.Open("pipe")
	if err != nil {
		t.Fatal(err)
	}
	info, err := pipe.Stat()
	if err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		t.Errorf("the pipe is %v, %v", info, err)
	}
	if err := pipe.Close(); err != nil {
		t.Error(err)
	}
	if _, err := disk.Open("link-to-device"); err == nil {
		t.Error("a link that leads out of the root was followed")
	}
	if err := os.Remove(filepath.Join(directory, "link-to-device")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(directory, "pipe")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(directory, "link-to-pipe")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(directory, "link")); err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(disk, "file"); err != nil {
		t.Error(err)
	}
}

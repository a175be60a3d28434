//go:build unix

package rootedfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyRegularFilesBelowTheDirectoryAreOpened(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "scenario")
	write(t, filepath.Join(top, "outside.txt"), "outside")
	write(t, filepath.Join(dir, "a.txt"), "inside")
	write(t, filepath.Join(dir, "sub", "b.txt"), "below")
	for link, to := range map[string]string{"in.txt": "sub/b.txt", "out.txt": "../outside.txt", "abs.txt": filepath.Join(top, "outside.txt"),
		"dir": top} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a.txt": "inside", "./a.txt": "inside", "sub/b.txt": "below", "in.txt": "below",
		"out.txt": "", "abs.txt": "", "dir/outside.txt": "", "../outside.txt": "", "sub/../a.txt": "", "sub/../../outside.txt": "",
		filepath.Join(dir, "a.txt"): "", "sub": "", "": "", ".": "", "fifo": "", "none": "",
	} {
		file, err := Open(dir, name)
		if err != nil {
			if want != "" {
				t.Errorf("%q: %v", name, err)
			}
			if errors.Is(err, fs.ErrNotExist) != (name == "none") {
				t.Errorf("%q: %v is taken for a file that is not there", name, err)
			}
			continue
		}
		content, err := io.ReadAll(file)
		if err = errors.Join(err, file.Close()); err != nil || string(content) != want {
			t.Errorf("%q: read %q, %v; want %q", name, content, err, want)
		}
	}
}

func TestAnAllowedFileMayBeAnywhere(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	write(t, filepath.Join(top, "outside.txt"), "outside")
	for _, name := range []string{"../outside.txt", filepath.Join(top, "outside.txt")} {
		file, err := OpenAny(filepath.Join(top, "scenario"), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = file.Close()
	}
	if _, err := OpenAny(top, "/dev/zero"); err == nil {
		t.Error("a device was opened")
	}
	done := make(chan error, 1)
	if err := syscall.Mkfifo(filepath.Join(top, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _, err := OpenAny(top, "fifo"); done <- err }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a pipe was opened")
		}
	case <-time.After(time.Minute):
		t.Error("opening a pipe waits for somebody who writes")
	}
}

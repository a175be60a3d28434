//go:build linux

package machine

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestALogIsBounded(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "kubelet.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) // as a service writes it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	write := func(text string) {
		t.Helper()
		if _, err := log.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := boundLog(path, 10); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(name, want string) {
		t.Helper()
		if got, err := os.ReadFile(filepath.Join(directory, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
	write("0123456789")
	expect("kubelet.log", "0123456789")
	write("abc")
	expect("kubelet.log", "")
	expect("kubelet.before.log", "3456789abc")
	write("next")
	expect("kubelet.log", "next")
	write(strings.Repeat("x", 20))
	expect("kubelet.log", "")
	expect("kubelet.before.log", strings.Repeat("x", 10))
}

func TestWhatIsNoLogIsLeftAlone(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	other, link, pipe := filepath.Join(directory, "other"), filepath.Join(directory, "link.log"), filepath.Join(directory, "pipe.log")
	if err := os.WriteFile(other, []byte(strings.Repeat("x", 20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := boundLog(link, 10); err == nil {
		t.Error("a link was followed")
	}
	if err := boundLog(pipe, 10); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(other); err != nil || len(content) != 20 {
		t.Errorf("what the link leads to has %d bytes, %v", len(content), err)
	}
}

package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestDiskChanges(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	broken := errors.New("the disk is broken")
	disks := []func() (*os.Root, error){
		func() (*os.Root, error) { return os.OpenRoot(first) },
		func() (*os.Root, error) { return nil, broken },
		func() (*os.Root, error) { return os.OpenRoot(second) },
	}
	if err := MakingDirectory().On("/var/x/y", "x/y", disks); !errors.Is(err, broken) {
		t.Errorf("got %v, want the broken disk's error", err)
	}
	for _, disk := range []string{first, second} {
		info, err := os.Stat(filepath.Join(disk, "x/y"))
		if err != nil || info.Mode() != fs.ModeDir|fs.ModeSticky|0o777 {
			t.Errorf("disk %s: %v, %v; want a directory for all", disk, info, err)
		}
		if err := os.WriteFile(filepath.Join(disk, "x/y/z"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	healthy := []func() (*os.Root, error){disks[0], disks[2]}
	for range 2 {
		if err := RemovingDirectory().On("/var/x/y", "x/y", healthy); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(second, "x/y")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	outside := filepath.Join(t.TempDir(), "stays")
	if err := os.Mkdir(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(first, "link")); err != nil {
		t.Fatal(err)
	}
	if err := MakingDirectory().On("/var/link/y", "link/y", healthy[:1]); err == nil {
		t.Error("a link leads out of the disk")
	}
	want := `remove the directory "x" on the nodes' disks: expected an absolute path`
	if err := RemovingDirectory().Refused("x", "an absolute path"); err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

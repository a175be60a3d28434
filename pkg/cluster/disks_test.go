package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
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

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	secret, disk := filepath.Join(base, "secret"), filepath.Join(base, "disk")
	if err := errors.Join(os.Mkdir(disk, 0o755), os.WriteFile(secret, []byte("of the host"), 0o600),
		os.WriteFile(filepath.Join(disk, "fine"), []byte("x"), 0o600),
		os.Symlink(secret, filepath.Join(disk, "link")), os.Symlink("fine", filepath.Join(disk, "inside")),
		os.Mkdir(filepath.Join(disk, "directory"), 0o755),
		syscall.Mkfifo(filepath.Join(disk, "pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for name, ok := range map[string]bool{"fine": true, "link": false, "inside": false, "directory": false, "pipe": false, "none": false,
		"../secret": false} {
		file, err := OpenRegular(root, name)
		if (err == nil) != ok {
			t.Errorf("%s: %v, want it opened %v", name, err, ok)
		}
		if err == nil {
			_ = file.Close()
		}
	}
}

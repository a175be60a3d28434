package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// DiskChange is a change of a path on the nodes' disks; what describes it in errors.
type DiskChange struct {
	what string
	do   func(disk *os.Root, relative string) error
}

// MakingDirectory makes a directory that pods of any user can write to.
func MakingDirectory() DiskChange {
	return DiskChange{"make", func(disk *os.Root, relative string) error {
		return errors.Join(disk.MkdirAll(relative, 0o755), disk.Chmod(relative, 0o777|fs.ModeSticky))
	}}
}

// RemovingDirectory removes a directory and its content; a missing one is no error.
func RemovingDirectory() DiskChange { return DiskChange{"remove", (*os.Root).RemoveAll} }

// Refused is the error of a path on the nodes' disks that is not as expected.
func (c DiskChange) Refused(path, expected string) error {
	return fmt.Errorf("%s the directory %q on the nodes' disks: expected %s", c.what, path, expected)
}

// On changes the path, which is the relative one on each disk, whatever state the disk's node is in. A disk that cannot be opened or
// changed keeps no other from being.
func (c DiskChange) On(path, relative string, disks []func() (*os.Root, error)) error {
	var errs []error
	for _, open := range disks {
		disk, err := open()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, c.do(disk, relative), disk.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s the directory %s on the nodes' disks: %w", c.what, path, err)
	}
	return nil
}

// OpenRegular opens a regular file of a disk for reading. Anything else, such as a link or a pipe that a pod left in its place, is an
// error: it would lead elsewhere, or have no end.
func OpenRegular(disk *os.Root, relative string) (*os.File, error) {
	info, err := disk.Lstat(relative)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: relative, Err: fmt.Errorf("it is %v: expected a regular file", info.Mode().Type())}
	}
	// A file that was put in its place meanwhile is noticed below, and a pipe does not keep this from continuing.
	file, err := disk.OpenFile(relative, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if opened, err := file.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: relative, Err: errors.New("it was replaced while it was opened")}, err,
			file.Close())
	}
	return file, nil
}

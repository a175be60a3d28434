package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// DiskChange changes a path of a node's disk; what names it in errors.
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

// RemovingDirectory removes a directory with all that is in it; one that is not there is no error.
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

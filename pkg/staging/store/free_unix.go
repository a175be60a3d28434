//go:build linux || darwin

package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// freeBytes returns how many bytes this process can still write below a directory.
func freeBytes(dir string) (int64, bool, error) {
	var status unix.Statfs_t
	if err := unix.Statfs(dir, &status); err != nil {
		return 0, false, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return int64(status.Bavail) * int64(status.Bsize), true, nil
}

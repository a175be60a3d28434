//go:build linux || darwin

package parts

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes this user can still write to a directory's file system.
func freeSpace(directory string) (int64, error) {
	var stat unix.Statfs_t
	err := unix.Statfs(directory, &stat)
	return int64(stat.Bavail) * int64(stat.Bsize), err
}

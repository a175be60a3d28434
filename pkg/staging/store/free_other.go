//go:build !linux && !darwin

package store

// freeBytes: on other systems only errors of writing tell that a disk is full.
func freeBytes(string) (int64, bool, error) { return 0, false, nil }

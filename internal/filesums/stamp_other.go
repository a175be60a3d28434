//go:build !linux

package filesums

import "time"

// stamps returns nothing, so that each check reads all files: cluster and cache are Linux' own.
func (t Tree) stamps() (map[string]string, error) { return nil, nil }

func (t Tree) youngerThan(time.Time) bool { return true }

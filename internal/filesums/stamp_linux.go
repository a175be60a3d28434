package filesums

import (
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// stamps returns size, times and inode of each file.
func (t Tree) stamps() (map[string]string, error) {
	stamps := map[string]string{}
	return stamps, t.each(func(name, _ string, entry fs.DirEntry) error {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("%s: the system tells no time of its last change", name)
		}
		stamps[name] = fmt.Sprint(stat.Size, stat.Mtim.Nano(), stat.Ctim.Nano(), stat.Ino, stat.Mode)
		return nil
	})
}

// youngerThan reports whether a file changed after a time.
func (t Tree) youngerThan(limit time.Time) bool {
	young := false
	err := t.each(func(_, _ string, entry fs.DirEntry) error {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		young = young || !ok || stat.Ctim.Nano() > limit.UnixNano()
		return nil
	})
	return young || err != nil
}

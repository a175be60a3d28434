//go:build linux

package machine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxLog is how long a service's log may become before its begin goes. As much again is kept of what was cut.
	maxLog = 32 << 20
	// lookAtLogs is how often the lengths of the logs are looked at.
	lookAtLogs = 15 * time.Second
)

// boundLogs keeps the logs of the services from filling the disk, which is the host's.
func (s *supervisor) boundLogs() {
	for range time.Tick(lookAtLogs) {
		for _, svc := range s.all() {
			if err := boundLog(filepath.Join(LogDirectory, svc.Name+".log"), maxLog); err != nil && !errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintf(os.Stderr, "machine: bound the log of %s: %v\n", svc.Name, err)
			}
		}
	}
}

// boundLog empties a log that has become too long, and keeps its end beside it. The service continues to write to the same file, at
// its end.
func boundLog(path string, most int64) error {
	log, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // cut, or only looked at
	info, err := log.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() <= most {
		return err
	}
	if _, err := log.Seek(-most, io.SeekEnd); err != nil {
		return err
	}
	kept := strings.TrimSuffix(path, ".log") + ".before.log"
	if err := os.RemoveAll(kept); err != nil {
		return err
	}
	before, err := os.OpenFile(kept, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(before, io.LimitReader(log, most))
	return errors.Join(err, before.Close(), log.Truncate(0))
}

package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// Event logs may take so many bytes of this machine's disk: a driver writes as much as it likes.
const (
	maxEventLog     = 256 << 20
	maxNodeEventLog = 1 << 30 // of all drivers that ran on a node
)

// keepEventLogs copies the event logs that drivers left on a node's disk into the run directory. They are for people: no verdict depends on
// them.
func (s *session) keepEventLogs(ctx context.Context, node string, disk fs.FS) {
	into := filepath.Join(s.run.directory.EventLogs(), logsOf(s.run, s.id))
	done := make(chan error, 1)
	go func() { done <- copyEventLogs(disk, s.witness.directory, into, node) }()
	select {
	case err := <-done:
		if err != nil {
			s.run.Progress.Say("keep the event logs of node %s: %v", node, err)
		}
	case <-ctx.Done():
		s.run.Progress.Say("keep the event logs of node %s: %v", node, context.Cause(ctx))
	}
}

// copyEventLogs copies the files in a directory of a disk that are not the witness's. Drivers with one application id on several nodes are
// told apart by the node.
func copyEventLogs(disk fs.FS, directory, into, node string) error {
	directory = strings.TrimPrefix(path.Clean(directory), "/")
	entries, err := fs.ReadDir(disk, directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	left := int64(maxNodeEventLog)
	for _, entry := range entries {
		if !entry.Type().IsRegular() || strings.HasSuffix(entry.Name(), witness.FileSuffix) || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		size, err := copyEventLog(disk, path.Join(directory, entry.Name()), into, node, min(left, maxEventLog))
		left -= size
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// copyEventLog copies one file, up to a size, and returns how much it copied.
func copyEventLog(disk fs.FS, name, into, node string, most int64) (int64, error) {
	from, err := disk.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = from.Close() }() // opened for reading only
	if info, err := from.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, errors.Join(err, fmt.Errorf("/%s is no regular file any more", name))
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return 0, err
	}
	to := filepath.Join(into, path.Base(name))
	if _, err := os.Lstat(to); err == nil {
		to = filepath.Join(into, node+"-"+path.Base(name))
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	size, err := io.Copy(file, io.LimitReader(from, most))
	if more, _ := io.ReadFull(from, make([]byte, 1)); more > 0 {
		err = errors.Join(err, fmt.Errorf("/%s: only %d bytes of it are kept", name, size))
	}
	return size, errors.Join(err, file.Close())
}

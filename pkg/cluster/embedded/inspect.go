//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Workers is the number of worker nodes with which the cluster was made.
func (c *Cluster) Workers() int { return c.record.Workers }

// HasImage reports whether every node has the archive or gets it when it boots.
func (c *Cluster) HasImage(archive string) bool { return slices.Contains(c.record.Images, archive) }

// maxLogCopy is how much of a log is copied, its end: a pod that can write to its node's disk decides how long the file is.
const maxLogCopy = 64 << 20

// CopyLogs copies the logs of all machines, those that are off too, into a directory, one file a service.
func (c *Cluster) CopyLogs(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("copy the cluster's logs: %w", err)
	}
	logs, err := c.Logs()
	errs := []error{err}
	for _, log := range logs {
		name := strings.ReplaceAll(log.Name(), "/", "-") + ".log"
		if err := log.copyTo(filepath.Join(directory, name)); err != nil && !absent(err) {
			errs = append(errs, fmt.Errorf("copy the log of %s: %w", log.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// Open opens the log for reading. Anything but a regular file is refused: a pod may have left a link in its place.
func (l Log) Open() (*os.File, error) {
	disk, err := os.OpenRoot(l.root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = disk.Close() }()
	return cluster.OpenRegular(disk, l.relative)
}

// copyTo copies the end of the log.
func (l Log) copyTo(target string) error {
	from, err := l.Open()
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // opened for reading only
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxLogCopy {
		if _, err := from.Seek(-maxLogCopy, io.SeekEnd); err != nil {
			return err
		}
	}
	to, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.LimitReader(from, maxLogCopy))
	return errors.Join(err, to.Close())
}

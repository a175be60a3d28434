//go:build linux

package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Workers is the number of worker nodes with which the cluster was made.
func (c *Cluster) Workers() int { return c.record.Workers }

// HasImage says whether every node has the archive or gets it when it boots.
func (c *Cluster) HasImage(archive string) bool { return slices.Contains(c.record.Images, archive) }

// CopyLogs copies the logs of all machines, those that are off too, into a directory, one file a service.
func (c *Cluster) CopyLogs(directory string) error {
	logs, err := c.Logs()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("copy the cluster's logs: %w", err)
	}
	for _, log := range logs {
		name := strings.ReplaceAll(log.Name(), "/", "-") + ".log"
		if err := copyFile(log.Path, filepath.Join(directory, name)); err != nil && !absent(err) {
			return fmt.Errorf("copy the log of %s: %w", log.Name(), err)
		}
	}
	return nil
}

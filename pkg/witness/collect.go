package witness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// FileSuffix ends the names of the files that the plugin writes below the witness directory; others are not read.
const FileSuffix = ".ndjson"

// maxNamedErrors bounds how many errors one node's collection spells out; the rest is counted in one more.
const maxNamedErrors = 20

// Collect reads every witness file below directory on a node's own disk and puts its records into inbox: those that
// came by HTTP already are not handed on again. An unreadable last line is what a power loss leaves and is only
// counted as torn; everything else that cannot be read is an error in the returned data, and the reading goes on with
// what is left. Records counts all records that were read, known ones too. Collect itself fails only when inbox's
// sink does or ctx ends; the data then says what was read until then.
func Collect(ctx context.Context, node string, disk fs.FS, directory string, inbox *Inbox) (history.CollectionData, error) {
	root := strings.TrimPrefix(path.Clean("/"+directory), "/")
	if root == "" {
		root = "."
	}
	c := collection{ctx: ctx, disk: disk, root: root, inbox: inbox, writers: map[string]string{}, data: history.CollectionData{Node: node}}
	err := fs.WalkDir(disk, root, c.visit)
	if c.unnamed > 0 {
		c.data.Errors = append(c.data.Errors, fmt.Sprintf("and %d more errors", c.unnamed))
	}
	if err != nil {
		return c.data, fmt.Errorf("collect the witness's files of node %s: %w", node, err)
	}
	return c.data, nil
}

// collection is the reading of one node's disk.
type collection struct {
	ctx     context.Context
	disk    fs.FS
	root    string // the witness directory, as disk names it
	inbox   *Inbox
	writers map[string]string // the file of each pod UID
	data    history.CollectionData
	unnamed int // errors beyond maxNamedErrors
}

func (c *collection) fail(err error) {
	if len(c.data.Errors) >= maxNamedErrors {
		c.unnamed++
		return
	}
	c.data.Errors = append(c.data.Errors, err.Error())
}

func (c *collection) visit(name string, entry fs.DirEntry, err error) error {
	if ended := c.ctx.Err(); ended != nil {
		return ended
	}
	if err != nil {
		if name == c.root && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("the witness directory is missing on this node, it should have been made before the launch: %w", err)
		}
		c.fail(fmt.Errorf("read /%s: %w", name, err))
		return nil
	}
	if entry.IsDir() || !strings.HasSuffix(name, FileSuffix) {
		return nil
	}
	return c.read(name)
}

// read takes all records of one file. It fails only when the inbox does or the context ends.
func (c *collection) read(name string) error {
	file, err := c.disk.Open(name)
	if err != nil {
		c.fail(fmt.Errorf("open /%s: %w", name, err))
		return nil
	}
	defer file.Close()
	c.data.Files++
	for l, err := range lines(file) {
		if ended := c.ctx.Err(); ended != nil {
			return ended
		}
		if err != nil {
			c.fail(fmt.Errorf("read /%s: line %d: %w", name, l.number, err))
			return nil
		}
		record, err := l.record()
		if err != nil {
			if !l.complete && !errors.Is(err, ErrLineTooLong) {
				c.data.Torn++
			} else {
				c.fail(fmt.Errorf("/%s: %w", name, err))
			}
			continue
		}
		if first, ok := c.writers[record.PodUID]; !ok {
			c.writers[record.PodUID] = name
		} else if first != name {
			// Their sequence numbers both begin at 1: the inbox would take one file's records for copies of the other's.
			c.fail(fmt.Errorf("/%s and /%s: both are of the pod with UID %s, so its process was restarted within the pod; "+
				"only the first one's records are used: give the pod restartPolicy Never", first, name, record.PodUID))
			return nil
		}
		c.data.Records++
		record.Via = ViaDisk
		if _, err := c.inbox.Take(record); err != nil {
			return fmt.Errorf("/%s: line %d: %w", name, l.number, err)
		}
	}
	return nil
}

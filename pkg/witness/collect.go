package witness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// FileSuffix is the suffix of the files that the plugin writes below the witness directory. Other files are not read.
const FileSuffix = ".ndjson"

// maxNamedErrors is the number of errors of one node's collection that are reported one by one; one more reports how
// many others there are.
const maxNamedErrors = 20

// bounds bound what is read of one node: pods can write whatever they like there.
type bounds struct {
	files     int   // with FileSuffix
	fileBytes int64 // of one file
	nodeBytes int64 // of all files
}

// defaultBounds are far above what runs leave: ten heartbeats a second are some 200 MB a day.
func defaultBounds() bounds {
	return bounds{files: 10_000, fileBytes: 1 << 30, nodeBytes: 4 << 30}
}

// Collect reads every witness file below directory on a node's disk and puts its records into inbox, which drops those that are
// known already. What cannot be read is an error in the returned data and does not stop the reading; an unreadable last line,
// as a power loss leaves it, is only counted. Collect fails only if inbox's sink fails or ctx is done; the data then
// covers what was read until then.
func Collect(ctx context.Context, node string, disk fs.FS, directory string, inbox *Inbox) (history.CollectionData, error) {
	// Irregular files and what exceeds the bounds are errors in the data, too. Records counts all records that were read,
	// known ones included.
	return collect(ctx, node, disk, directory, inbox, defaultBounds())
}

func collect(ctx context.Context, node string, disk fs.FS, directory string, inbox *Inbox, most bounds) (history.CollectionData, error) {
	root := strings.TrimPrefix(path.Clean("/"+directory), "/")
	if root == "" {
		root = "."
	}
	began := time.Now()
	c := collection{
		ctx: ctx, disk: disk, root: root, inbox: inbox, bounds: most, left: most.nodeBytes,
		files: map[string]*processFile{}, data: history.CollectionData{Node: node},
	}
	err := c.readAll()
	if c.unnamed > 0 {
		c.data.Errors = append(c.data.Errors, fmt.Sprintf("and %d more errors", c.unnamed))
	}
	for _, file := range c.order {
		c.data.Writers = append(c.data.Writers, file.WriterData)
	}
	c.data.Took = time.Since(began)
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
	bounds  bounds
	left    int64 // bytes that may still be read
	files   map[string]*processFile
	order   []*processFile
	data    history.CollectionData
	unnamed int // errors beyond maxNamedErrors
}

// processFile is what was read of one process, and the file in which it was found last.
type processFile struct {
	history.WriterData
	file string
}

func (c *collection) fail(err error) {
	if len(c.data.Errors) >= maxNamedErrors {
		c.unnamed++
		return
	}
	c.data.Errors = append(c.data.Errors, err.Error())
}

// readAll reads all files. It fails only when the inbox does or the context ends.
func (c *collection) readAll() error {
	found, err := within(c.ctx, func() ([]entry, error) { return c.list(), nil })
	if err != nil {
		return err
	}
	for _, file := range found {
		switch {
		case file.err != nil:
			c.fail(file.err)
		case c.data.Files >= c.bounds.files:
			c.fail(fmt.Errorf("/%s is not read, nor what follows: %d files were read, and no more are", file.name, c.data.Files))
			return nil
		default:
			if err := c.read(file.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry is a file to read, or why there is none.
type entry struct {
	name string
	err  error
}

// list finds the files. It does not access the collection's data, because it may still run when nobody waits for it any
// more.
func (c *collection) list() []entry {
	var found []entry
	fail := func(err error) { found = append(found, entry{err: err}) }
	walk := func(name string, file fs.DirEntry, err error) error {
		switch {
		case c.ctx.Err() != nil || len(found) > 2*c.bounds.files:
			return fs.SkipAll
		case err != nil && name == c.root && errors.Is(err, fs.ErrNotExist):
			fail(fmt.Errorf("read /%s: the witness directory is missing on this node, it should have been made before the launch: %w", name, err))
		case err != nil:
			fail(fmt.Errorf("read /%s: %w", name, err))
		case file.IsDir() || !strings.HasSuffix(name, FileSuffix):
		case !file.Type().IsRegular():
			fail(notRegular(name, file.Type()))
		default:
			found = append(found, entry{name: name})
		}
		return nil
	}
	_ = fs.WalkDir(c.disk, c.root, walk) // walk takes all errors
	return found
}

func notRegular(name string, mode fs.FileMode) error {
	return fmt.Errorf("/%s is not read: it is no regular file (its mode is %v), and the plugin makes no other", name, mode)
}

// within returns what do returns, or the context's error as soon as that is done: do may hang for as long as it likes
// then.
func within[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// open opens a file if it is a regular one of acceptable size. It may have changed since it was listed.
func (c *collection) open(name string) (fs.File, error) {
	file, err := c.disk.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open /%s: %w", name, err)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		err = fmt.Errorf("open /%s: %w", name, err)
	case !info.Mode().IsRegular():
		err = notRegular(name, info.Mode())
	case info.Size() > c.bounds.fileBytes:
		err = fmt.Errorf("/%s is not read: it has %d bytes, and at most %d are read of a file", name, info.Size(), c.bounds.fileBytes)
	case info.Size() > c.left:
		err = fmt.Errorf("/%s is not read: it has %d bytes, and of the %d that are read of a node at most %d are left", name, info.Size(),
			c.bounds.nodeBytes, c.left)
	default:
		return file, nil
	}
	return nil, errors.Join(err, file.Close())
}

// read passes on all records of one file. It fails only if the inbox fails or the context is done.
func (c *collection) read(name string) error {
	file, err := within(c.ctx, func() (fs.File, error) { return c.open(name) })
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if err != nil {
		c.fail(err)
		return nil
	}
	c.data.Files++
	content := readWithin(c.ctx, file)
	defer func() { _ = content.Close() }() // of a pipe: it never fails
	most := min(c.bounds.fileBytes, c.left)
	read := &meter{from: io.LimitReader(content, most+1)}
	err = c.readLines(name, read)
	c.left -= min(read.bytes, most)
	if read.bytes > most {
		c.fail(fmt.Errorf("/%s: only %d bytes were read: it has grown since it was opened", name, most))
	}
	return err
}

func (c *collection) readLines(name string, content io.Reader) error {
	writer := uidOf(name) // until a record says it
	torn := false
	for l, err := range lines(content) {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		if err != nil {
			c.fail(fmt.Errorf("read /%s: line %d: %w", name, l.number, err))
			return nil
		}
		record, err := l.record()
		if err != nil {
			if !l.complete && !errors.Is(err, ErrLineTooLong) {
				torn = true
				c.data.Torn++
			} else {
				c.fail(fmt.Errorf("/%s: %w", name, err))
			}
			continue
		}
		writer = record.PodUID
		if !c.count(name, record) {
			return nil
		}
		record.Via = ViaDisk
		if _, err := c.inbox.Take(record); refused(err) {
			c.fail(fmt.Errorf("/%s: line %d: %w", name, l.number, err))
		} else if err != nil {
			return fmt.Errorf("/%s: line %d: %w", name, l.number, err)
		}
	}
	if torn && writer != "" {
		c.process(writer, name).Torn = true
	}
	return nil
}

// process returns what is known of a process, whose file is at least the one of that name.
func (c *collection) process(podUID, name string) *processFile {
	known := c.files[podUID]
	if known == nil {
		known = &processFile{WriterData: history.WriterData{PodUID: podUID}, file: name}
		c.files[podUID] = known
		c.order = append(c.order, known)
	}
	return known
}

// count adds a record to what its process left. It reports false for the file of another process of the same pod: the inbox would take
// its records for other versions of the first one's. A process that opens a new file for each of its Spark contexts continues with its
// numbers.
func (c *collection) count(name string, record history.WitnessRecord) bool {
	known := c.process(record.PodUID, name)
	if known.file != name {
		if record.Seq <= known.Last {
			c.fail(fmt.Errorf("/%s and /%s: both are of the pod with UID %s and have record %d, so its process was restarted within the pod; "+
				"only the first one's records are used: give the pod restartPolicy Never", known.file, name, record.PodUID, record.Seq))
			return false
		}
		known.file = name
	}
	if known.Records == 0 || record.Seq < known.First {
		known.First = record.Seq
	}
	known.Last = max(known.Last, record.Seq)
	known.Records++
	c.data.Records++
	return true
}

// fileNames are the names that the plugin, and the init containers with their suffix, give their files: the pod's UID and a time.
var fileNames = regexp.MustCompile(`^(.+?)(-artifacts)?-[0-9]+\` + FileSuffix + `$`)

// uidOf returns the pod's UID from the name of a file, or "" if the name has none.
func uidOf(name string) string {
	parts := fileNames.FindStringSubmatch(path.Base(name))
	if parts == nil {
		return ""
	}
	uid := parts[1]
	if parts[2] != "" {
		uid += history.ArtifactsWriter
	}
	if !podUIDs.MatchString(uid) {
		return ""
	}
	return uid
}

// readWithin reads a file until ctx ends, even if a read hangs. The file is closed once it was read, or the reader was closed.
func readWithin(ctx context.Context, file io.ReadCloser) io.ReadCloser {
	from, into := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = from.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer stop()
		_, err := io.Copy(into, file)
		_ = into.CloseWithError(errors.Join(err, file.Close()))
	}()
	return from
}

// meter counts what is read.
type meter struct {
	from  io.Reader
	bytes int64
}

// Read implements io.Reader.
func (m *meter) Read(into []byte) (int, error) {
	n, err := m.from.Read(into)
	m.bytes += int64(n)
	return n, err
}

package existing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/nodeproto"
)

// Disk gives a worker's own disk for reading, rooted at "/", of which only the harness's part can be seen. A node that is off or cut off
// cannot be read: what it wrote is read after it has recovered.
func (c *Cluster) Disk(ctx context.Context, node string) (fs.FS, error) {
	workers, err := c.workers(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, worker := range workers {
		if worker.Name == node {
			return disk{ctx, c, node}, nil
		}
		names = append(names, worker.Name)
	}
	return nil, c.noWorker(node, names)
}

// disk reads by the agent on the node.
type disk struct {
	ctx     context.Context // of the reading as a whole: fs.FS has no place for it
	cluster *Cluster
	node    string
}

var (
	_ fs.StatFS    = disk{}
	_ fs.ReadDirFS = disk{}
)

// list asks for a file or for what a directory has; nil if there is none.
func (d disk) list(op, name string, args ...string) ([]info, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	out, err := d.cluster.onNode(d.ctx, d.node, append(args, "/"+name)...)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	var entries []nodeproto.Entry
	if err := json.Unmarshal(out, &entries); err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("the agent's answer: %w", err)}
	}
	if entries == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	found := make([]info, 0, len(entries))
	for _, entry := range entries {
		found = append(found, info{entry})
	}
	return found, nil
}

// Stat implements fs.StatFS.
func (d disk) Stat(name string) (fs.FileInfo, error) {
	found, err := d.list("stat", name, "stat")
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// ReadDir implements fs.ReadDirFS.
func (d disk) ReadDir(name string) ([]fs.DirEntry, error) {
	found, err := d.list("readdir", name, "list")
	if err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, 0, len(found))
	for _, one := range found {
		entries = append(entries, fs.FileInfoToDirEntry(one))
	}
	return entries, nil
}

// Open implements fs.FS. A file is read at once and as a whole, if it is a regular one of bearable size.
func (d disk) Open(name string) (fs.File, error) {
	found, err := d.list("open", name, "stat")
	if err != nil {
		return nil, err
	}
	opened := &file{disk: d, name: name, info: found[0]}
	if found[0].IsDir() {
		return opened, nil
	}
	switch info := found[0]; {
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("expected a regular file, found one of mode %v", info.Mode())}
	case info.Size() > nodeproto.MaxRead:
		return nil, &fs.PathError{Op: "open", Path: name,
			Err: fmt.Errorf("it has %d bytes, and at most %d are read", info.Size(), nodeproto.MaxRead)}
	}
	content, err := d.cluster.onNode(d.ctx, d.node, "read", "/"+name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	opened.content = bytes.NewReader(content)
	return opened, nil
}

// file is a file or a directory that was opened.
type file struct {
	disk    disk
	name    string
	info    info
	content io.Reader // nil of a directory
}

// Stat implements fs.File.
func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close implements fs.File.
func (f *file) Close() error { return nil }

// Read implements fs.File.
func (f *file) Read(into []byte) (int, error) {
	if f.content == nil {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fmt.Errorf("it is a directory")}
	}
	return f.content.Read(into)
}

// info is what is known of a file.
type info struct{ entry nodeproto.Entry }

func (i info) Name() string       { return path.Base(i.entry.Name) }
func (i info) Size() int64        { return i.entry.Size }
func (i info) Mode() fs.FileMode  { return i.entry.Mode }
func (i info) ModTime() time.Time { return i.entry.Modified }
func (i info) IsDir() bool        { return i.entry.Mode.IsDir() }
func (i info) Sys() any           { return nil }

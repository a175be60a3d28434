// Package regular opens regular files and nothing else. Anyone with write access to a directory can put a named pipe into it, whose opening
// waits for a writer for ever, or a device, or a file that never ends.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// nonblocking opens for reading without waiting for a writer. On regular files it has no effect.
const nonblocking = os.O_RDONLY | syscall.O_NONBLOCK

// Open opens a regular file for reading. Links are followed.
func Open(path string) (*os.File, error) {
	// Anything that is visibly no regular file is not opened at all: opening a device may do something.
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if err := check(path, info); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, nonblocking, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = check(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// ReadFile reads a regular file of at most so many bytes.
func ReadFile(path string, most int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	var content []byte
	info, err := file.Stat()
	if err == nil && info.Size() <= most {
		content, err = io.ReadAll(io.LimitReader(file, most+1))
	}
	if err == nil && max(info.Size(), int64(len(content))) > most {
		err = &fs.PathError{Op: "read", Path: path,
			Err: fmt.Errorf("it has more than %d bytes, which is more than such a file should have", most)}
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return content, nil
}

func check(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("expected a regular file, found one of mode %v", info.Mode())}
}

// FS is root.FS() whose opening waits for nobody. What is opened may be anything: ask its Stat.
func FS(root *os.Root) fs.FS { return rootFS{root.FS(), root} }

// rootFS is what a Root gives, with another way to open.
type rootFS struct {
	fs.FS
	root *os.Root
}

var (
	_ fs.StatFS    = rootFS{}
	_ fs.ReadDirFS = rootFS{}
)

// Open implements fs.FS.
func (r rootFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	file, err := r.root.OpenFile(name, nonblocking, 0)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Stat implements fs.StatFS.
func (r rootFS) Stat(name string) (fs.FileInfo, error) { return fs.Stat(r.FS, name) }

// ReadDir implements fs.ReadDirFS.
func (r rootFS) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(r.FS, name) }

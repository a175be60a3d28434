// Package rootedfile opens files that somebody else names: below a directory, and nowhere else.
package rootedfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// IsLocal reports whether a name is a path below a directory: relative, and without "..".
func IsLocal(name string) bool {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == filepath.Separator })
	return filepath.IsLocal(filepath.FromSlash(name)) && !slices.Contains(parts, "..")
}

// Open opens a regular file below a directory for reading. Links that lead out of the directory are not followed. A file
// that is not there is fs.ErrNotExist.
func Open(directory, name string) (*os.File, error) {
	if !IsLocal(name) {
		return nil, fmt.Errorf("%q is not below %s: expected a relative path without \"..\"", name, directory)
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // an open file does not need it
	// O_NONBLOCK: opening a pipe would wait for somebody who writes.
	file, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s in %s: %w", name, directory, err)
	case err != nil:
		return nil, fmt.Errorf("open %s below %s, without following links that lead out of it: %w", name, directory, err)
	}
	return regular(file)
}

// OpenAny opens a regular file for reading, wherever it is; a relative path is counted from the directory.
func OpenAny(directory, name string) (*os.File, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(directory, name)
	}
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return regular(file)
}

func regular(file *os.File) (*os.File, error) {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file but %s", file.Name(), info.Mode().Type())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Package atomicfile replaces files as a whole: a reader, or a crash at any moment, finds the old content or the new one.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// Write replaces a file, or creates it, with exactly the given permissions. The content is on the disk when it returns; the
// name survives a loss of power only if the caller syncs the directory.
func Write(path string, content []byte, permissions os.FileMode) (err error) {
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(permissions))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }() // does nothing once the file was replaced
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// WriteDurably is Write for a file whose name, too, survives a loss of power once it returns.
func WriteDurably(path string, content []byte, permissions os.FileMode) error {
	if err := Write(path, content, permissions); err != nil {
		return err
	}
	return SyncDirectory(filepath.Dir(path))
}

// SyncDirectory makes the names in a directory survive a loss of power, as a file's own Sync does its content.
func SyncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// Unfinished reports whether a name is that of a file that was being written in the place of one of the names when the process was killed.
func Unfinished(name string, names ...string) bool {
	return slices.ContainsFunc(names, func(finished string) bool {
		random, ok := strings.CutPrefix(name, "."+finished)
		return ok && random != "" && strings.Trim(random, "0123456789") == ""
	})
}

// Package atomicfile replaces files as a whole: a reader, or a crash at any moment, finds the old content or the new one.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"

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

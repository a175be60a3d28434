// Package statefile keeps what has to be known of a cluster by later commands in files of JSON.
package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
)

// Read reads a file that Write has written. It returns fs.ErrNotExist if there is none.
func Read(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read a cluster's state: %w", err)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("the state file %s is damaged: %w", path, err)
	}
	return nil
}

// Write replaces the file as a whole, so a reader or a crash never meets half of it. When it returns, the file outlives a loss of power.
func Write(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write a cluster's state: %w", err)
	}
	if err := atomicfile.WriteDurably(path, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the state file %s: %w", path, err)
	}
	return nil
}

// formerPrefix begins the names of files that earlier versions have not finished.
const formerPrefix = ".new-"

// OnlyHolds returns the names in a cluster's directory, of which the record is missing. If there is any other than those that are known
// to be made there, the directory is somebody else's and the error names it.
func OnlyHolds(directory, record string, known ...string) ([]string, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, formerPrefix) || atomicfile.Unfinished(name, append(known, record)...) {
			continue
		}
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("the directory %s holds %s and no %s, so sparkchaos has not made it; nothing was removed: move it away, or "+
				"remove it yourself", directory, name, record)
		}
		names = append(names, name)
	}
	return names, nil
}

// RemoveDirectory removes the directory of a cluster, which is below parent, with all that is in it. The record goes last, so that a
// removal that was interrupted leaves a cluster that is known. No link leads out of parent.
func RemoveDirectory(parent, name, record string) error {
	root, err := os.OpenRoot(parent)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if info, err := root.Lstat(name); err == nil && info.IsDir() {
		if err := removeContent(root, name, record); err != nil {
			return err
		}
	}
	return root.RemoveAll(name)
}

// removeContent removes all that is in a directory but one file.
func removeContent(root *os.Root, name, kept string) error {
	directory, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer func() { _ = directory.Close() }()
	entries, err := fs.ReadDir(directory.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.Name() != kept {
			errs = append(errs, directory.RemoveAll(entry.Name()))
		}
	}
	return errors.Join(errs...)
}

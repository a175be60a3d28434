package components

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/tools/txtar"
)

// embeddedModules holds the nested modules of all components, so that a program without a checkout can build them: the go command embeds
// no files of other modules. Their digests are in the lock.
//
//go:embed modules.txtar
var embeddedModules []byte

// Source returns the root of the checkout that a named directory lies in. If none is named, that is the working directory, and outside of a
// checkout a directory of the cache that holds the nested modules which this binary was made for; it is written if it is not there.
func Source(named, cache string) (string, error) {
	if named != "" {
		return FindSource(named)
	}
	if checkout, err := FindSource("."); err == nil {
		return checkout, nil
	}
	return unpackModules(embeddedModules, cache)
}

// unpackModules writes the modules of an archive below a directory of the cache that is named by their digest, and returns it. Builders
// compare each module with the lock, so a file that was changed there is found.
func unpackModules(archive []byte, cache string) (string, error) {
	sum := sha256.Sum256(archive)
	place := filepath.Join(cache, "sources", hex.EncodeToString(sum[:])[:2*keyDigits])
	if whole(place, archive) {
		return place, nil
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return "", fmt.Errorf("directory for the sources of components: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(place), temporary)
	if err != nil {
		return "", fmt.Errorf("directory for the sources of components: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // it was renamed, or an error is returned already
	root, err := os.OpenRoot(work)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }() // files are closed one by one
	for _, file := range txtar.Parse(archive).Files {
		err := root.MkdirAll(path.Dir(file.Name), 0o755)
		if err == nil {
			err = root.WriteFile(file.Name, file.Data, 0o644)
		}
		if err != nil {
			return "", fmt.Errorf("unpack the sources of components: %w", err)
		}
	}
	if err := os.RemoveAll(place); err != nil { // what was there was not whole
		return "", err
	}
	if err := os.Rename(work, place); err != nil && !whole(place, archive) { // another process may have been faster
		return "", fmt.Errorf("unpack the sources of components: %w", err)
	}
	return place, nil
}

// whole reports whether a directory holds exactly the files of an archive.
func whole(directory string, archive []byte) bool {
	packed, err := packModules(os.DirFS(directory))
	return err == nil && string(packed) == string(archive)
}

// packModules returns the nested modules of a checkout as one archive.
func packModules(checkout fs.FS) ([]byte, error) {
	var archive txtar.Archive
	var problems []error
	for _, recipe := range Recipes() {
		problems = append(problems, eachFile(checkout, path.Join("components", recipe.Name), func(name string, data []byte) error {
			if len(data) > 0 && data[len(data)-1] != '\n' {
				return fmt.Errorf("%s does not end with the end of a line, so it cannot be embedded", name)
			}
			archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
			return nil
		}))
	}
	return txtar.Format(&archive), errors.Join(problems...)
}

// eachFile calls a function with each file below a directory, but those that the go command ignores, too: editors leave such files behind.
func eachFile(files fs.FS, directory string, each func(name string, data []byte) error) error {
	return fs.WalkDir(files, directory, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := path.Base(name); name != directory && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return each(name, data)
	})
}

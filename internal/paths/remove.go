package paths

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
)

// Own is one of sparkchaos' own directories, as far as it is sparkchaos' own.
type Own struct {
	Directory string
	// Names are those of what sparkchaos makes in it. Nil: the directory as a whole is sparkchaos' own, as nobody chose it by name.
	Names []string
}

// OwnDirectories returns the cache and the state directory. Of one that a variable names, only what sparkchaos makes in it is its own: the
// directory may be anybody's.
func OwnDirectories(getenv func(string) string) (cache, state Own, err error) {
	var errs [2]error
	cache.Directory, errs[0] = Cache(getenv)
	state.Directory, errs[1] = State(getenv)
	if getenv(CacheVariable) != "" {
		cache.Names = cacheNames()
	}
	if getenv(StateVariable) != "" {
		state.Names = stateNames()
	}
	return cache, state, errors.Join(errs[:]...)
}

func cacheNames() []string {
	return []string{
		"artifacts", "baselines", "checked", "components", "failed", "images", "locks", "parts", "pyspark", "sources", "templates",
	}
}

func stateNames() []string { return []string{"clusters", "kind", layoutFile, "locks", "runs"} }

// Remove removes what is sparkchaos' own in a directory, and the directory if nothing is left in it. It follows no link and leaves the
// directory in no other way. It returns the names of what is left. That there is no directory is no error.
func (o Own) Remove() (left []string, err error) {
	root, err := os.OpenRoot(o.Directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("remove what is in %s: %w", o.Directory, err)
	}
	defer func() { _ = root.Close() }() // nothing is written by it
	entries, err := fs.ReadDir(root.FS(), ".")
	errs := []error{err}
	for _, entry := range entries {
		if !o.owns(entry.Name()) {
			left = append(left, entry.Name())
			continue
		}
		if err := removeAll(root, entry.Name()); err != nil {
			left = append(left, entry.Name())
			errs = append(errs, fmt.Errorf("remove %s: %w", filepath.Join(o.Directory, entry.Name()), err))
		}
	}
	if err := errors.Join(errs...); err != nil || len(left) > 0 {
		return left, err
	}
	if err := os.Remove(o.Directory); err != nil {
		return nil, fmt.Errorf("remove the empty directory: %w", err)
	}
	return nil, nil
}

func (o Own) owns(name string) bool {
	return o.Names == nil || slices.Contains(o.Names, name) || atomicfile.Unfinished(name, o.Names...)
}

// removeAll removes a file or directory below root. The go command makes directories that nobody may write to: they are made writable.
func removeAll(root *os.Root, name string) error {
	err := root.RemoveAll(name)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	err = fs.WalkDir(root.FS(), name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return root.Chmod(path, 0o700) // before it is read
	})
	return errors.Join(err, root.RemoveAll(path.Clean(name)))
}

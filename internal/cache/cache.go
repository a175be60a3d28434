// Package cache lists what lies in the cache and removes what is not needed any more.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
)

// Entry is a directory or file of the cache that can be removed as a whole.
type Entry struct {
	// Kind groups entries of which a newer one takes the place of an older one, e.g. "components/runc" or "images/spark-image".
	Kind string `json:"kind"`
	Name string `json:"name"`
	Path string `json:"path"`
	// Bytes are what its files occupy on the disk.
	Bytes int64 `json:"bytes"`
	// Freed is what removing it would free: files that it shares with others by hard links stay.
	Freed int64     `json:"freed"`
	Used  time.Time `json:"used"` // last, or when it was made
}

// Listing is what a cache holds.
type Listing struct {
	Entries []Entry `json:"entries"`
	// Bytes are what all occupies together: a file that several entries share counts once.
	Bytes int64 `json:"bytes"`
}

// unfinished are the names of what builders work in.
const unfinished = ".building-"

// List lists a cache.
func List(cache string) (Listing, error) {
	var listing Listing
	var problems []error
	all := usage{}
	for _, place := range places(cache) {
		used, err := measure(place.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a builder has just finished it, or somebody removed it
		}
		problems = append(problems, err)
		all.add(used)
		place.Bytes, place.Freed = used.bytes(), used.freed()
		if info, err := os.Lstat(place.Path); err == nil {
			place.Used = info.ModTime()
		}
		listing.Entries = append(listing.Entries, place)
	}
	listing.Bytes = all.bytes()
	return listing, errors.Join(problems...)
}

// places returns the entries without their sizes.
func places(cache string) []Entry {
	var all []Entry
	for _, top := range names(cache) {
		path := filepath.Join(cache, top)
		switch top {
		case "components", "templates", "pyspark", "sources":
			for _, name := range names(path) {
				all = append(all, Entry{Kind: top + "/" + family(top, name), Name: name, Path: filepath.Join(path, name)})
			}
		case "images":
			for _, kind := range names(path) {
				directory := filepath.Join(path, kind)
				if info, err := os.Lstat(directory); err != nil || !info.IsDir() || kind == "prebuilt" {
					all = append(all, Entry{Kind: "images", Name: kind, Path: directory})
					continue
				}
				for _, name := range names(directory) {
					all = append(all, Entry{Kind: "images/" + kind, Name: name, Path: filepath.Join(directory, name)})
				}
			}
		default:
			all = append(all, Entry{Kind: top, Name: top, Path: path})
		}
	}
	return all
}

// family is what versions of the same thing have in common.
func family(top, name string) string {
	switch top {
	case "components":
		before, _, _ := strings.Cut(name, "-v")
		return before
	case "templates":
		before, _, _ := strings.Cut(name, "-")
		return before
	default:
		return ""
	}
}

// names lists a directory; nothing if there is none.
func names(directory string) []string {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil
	}
	found := make([]string, 0, len(entries))
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return found
}

// Choice says what to remove.
type Choice struct {
	// Keep is how many entries of a kind stay, those that were used last.
	Keep int
	// Needed are paths that stay in any case.
	Needed []string
	// InUse reports whether something that runs on this machine uses a path.
	InUse func(path string) bool
	// Lock locks builders of an entry out until unlock is called; it is false if one works there now.
	Lock func(Entry) (unlock func(), locked bool)
}

// Removed is what became of an entry that was to be removed.
type Removed struct {
	Entry
	Kept string `json:"kept,omitempty"` // why it was not
}

// Verify reads all files of an entry that has digests, and compares them; there is false if it has none.
func (e Entry) Verify() (there bool, err error) {
	if strings.HasPrefix(e.Name, unfinished) {
		return false, nil
	}
	err = filesums.Tree{Dir: e.Path, Special: strings.HasPrefix(e.Kind, "images/")}.Verify()
	if errors.Is(err, filesums.ErrNone) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return true, err
}

// Superfluous returns what Prune would try to remove.
func Superfluous(listing Listing, choice Choice) []Removed {
	var all []Removed
	for _, entry := range superfluous(listing.Entries, choice) {
		removed := Removed{Entry: entry}
		if choice.InUse(entry.Path) {
			removed.Kept = inUse
		}
		all = append(all, removed)
	}
	return all
}

const inUse = "in use by a cluster"

// Prune removes entries of which there are newer ones, and what killed builders left. What runs, and what a builder works on, stays.
func Prune(listing Listing, choice Choice) ([]Removed, error) {
	var all []Removed
	var problems []error
	for _, entry := range superfluous(listing.Entries, choice) {
		removed := Removed{Entry: entry}
		var err error
		removed.Kept, err = remove(entry, choice)
		if err != nil {
			problems = append(problems, fmt.Errorf("remove %s: %w", entry.Path, err))
			continue
		}
		all = append(all, removed)
	}
	return all, errors.Join(problems...)
}

func remove(entry Entry, choice Choice) (kept string, err error) {
	unlock, locked := choice.Lock(entry)
	if !locked {
		return "a builder works there", nil
	}
	defer unlock()
	if choice.InUse(entry.Path) {
		return inUse, nil
	}
	root, err := os.OpenRoot(filepath.Dir(entry.Path))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	// Under another name first: what is removed half must not be found.
	gone := entry.Name
	if !strings.HasPrefix(gone, unfinished) {
		gone = unfinished + "removed-" + entry.Name
		if err := root.Rename(entry.Name, gone); err != nil {
			return "", err
		}
	}
	return "", root.RemoveAll(gone)
}

// superfluous returns the entries of which there are newer ones, the oldest first.
func superfluous(entries []Entry, choice Choice) []Entry {
	kinds := map[string][]Entry{}
	var old []Entry
	for _, entry := range entries {
		switch top, _, grouped := strings.Cut(entry.Kind, "/"); {
		case strings.HasPrefix(entry.Name, unfinished):
			old = append(old, entry)
		case grouped && top != "pyspark" && !strings.HasPrefix(entry.Name, "."):
			kinds[entry.Kind] = append(kinds[entry.Kind], entry)
		}
	}
	for _, all := range kinds {
		slices.SortFunc(all, func(a, b Entry) int {
			if needed := compareNeeded(choice.Needed, a, b); needed != 0 {
				return needed
			}
			return b.Used.Compare(a.Used)
		})
		for _, entry := range all[min(choice.Keep, len(all)):] {
			if !slices.Contains(choice.Needed, entry.Path) {
				old = append(old, entry)
			}
		}
	}
	slices.SortFunc(old, func(a, b Entry) int { return a.Used.Compare(b.Used) })
	return old
}

func compareNeeded(needed []string, a, b Entry) int {
	switch first, second := slices.Contains(needed, a.Path), slices.Contains(needed, b.Path); {
	case first == second:
		return 0
	case first:
		return -1
	default:
		return 1
	}
}

// Lock locks builders of an entry out, if none works there now.
func Lock(cache string) func(Entry) (unlock func(), locked bool) {
	return func(entry Entry) (func(), bool) {
		name := ""
		switch top, kind, _ := strings.Cut(entry.Kind, "/"); top {
		case "components":
			name = filepath.Join(cache, "components", ".lock")
		case "images":
			name = filepath.Join(cache, "images", kind+".lock")
		case "templates":
			name = filepath.Join(cache, "locks", "template-"+strings.TrimSuffix(entry.Name, ".new"))
		default:
			return func() {}, true
		}
		lock := flock.New(name, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o644))
		if locked, err := lock.TryLock(); err != nil || !locked {
			_ = lock.Close() // it was not locked
			return nil, false
		}
		return func() { _ = lock.Close() }, true
	}
}

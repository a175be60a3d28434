// Package filesums records the SHA-256 of all files of a directory in it, and compares them later: what lies in a cache is not trusted
// because it is there.
//
// Hashing some hundred megabytes before each use takes longer than most uses. So a check that found nothing wrong keeps size, times and
// inode of each file in a file outside of the directory, and the next one reads only what these say was touched: the kernel sets
// the time of a file's last change itself, so a file that was damaged by a program, replaced, or copied from elsewhere is read
// again. What a disk loses silently is found by [Tree.Verify] alone, which reads everything.
//
// It protects against files that were damaged or replaced, not against who can write to the cache as its owner does.
package filesums

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
)

// Name is the file of a directory that holds the SHA-256 of all its other files, in the form of sha256sum.
const Name = "SHA256SUMS"

// ErrNone is the problem of a directory whose digests were never recorded.
var ErrNone = errors.New("its digests are not recorded")

// settled is how long ago a file must have changed for its times to tell a later change from that one.
const settled = time.Second

// Tree is a directory with digests.
type Tree struct {
	Dir string
	// Seen is the file that keeps what the last check saw of each file; without one each check reads everything.
	Seen string
	// Special lets the directory hold devices, sockets and pipes, which have no digests.
	Special bool
}

// Checked is the directory of a cache in which the files of [Tree.Seen] are.
const Checked = "checked"

// In returns a directory of a cache as a tree whose checks are kept in the cache, too.
func In(cache, dir string) Tree {
	name, err := filepath.Rel(cache, dir)
	if err != nil || !filepath.IsLocal(name) {
		return Tree{Dir: dir} // each check reads everything
	}
	return Tree{Dir: dir, Seen: filepath.Join(cache, Checked, name+".json")}
}

// Record writes the digests of the files as they are now, and brings them to the disk.
func (t Tree) Record() error {
	sums, err := t.digest()
	if err == nil {
		err = atomicfile.Write(filepath.Join(t.Dir, Name), format(sums), 0o644)
	}
	if err != nil {
		return fmt.Errorf("record the digests of %s: %w", t.Dir, err)
	}
	return nil
}

// Check compares the files with their digests, and reads those alone that changed since the last check. The error names each file that
// differs.
func (t Tree) Check() error {
	recorded, err := t.recorded()
	if err != nil {
		return err
	}
	now, err := t.stamps()
	if err != nil {
		return err
	}
	if seen, found := t.seen(recorded); found && now != nil && maps.Equal(now, seen) {
		return nil
	}
	return t.compare(recorded, now)
}

// Verify is Check, and reads every file.
func (t Tree) Verify() error {
	recorded, err := t.recorded()
	if err != nil {
		return err
	}
	now, err := t.stamps()
	if err != nil {
		return err
	}
	return t.compare(recorded, now)
}

// Sums returns the recorded digests by the files' names, which are slash-separated.
func (t Tree) Sums() (map[string]string, error) {
	recorded, err := t.recorded()
	return parse(recorded), err
}

func (t Tree) recorded() ([]byte, error) {
	recorded, err := os.ReadFile(filepath.Join(t.Dir, Name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", t.Dir, ErrNone)
	}
	return recorded, err
}

// compare reads all files. What was seen before they were read is kept if they are as they should be.
func (t Tree) compare(recorded []byte, before map[string]string) error {
	began := time.Now()
	found, err := t.digest()
	if err != nil {
		return err
	}
	if different := differences(parse(recorded), found); len(different) > 0 {
		return fmt.Errorf("%s is damaged or was changed: %s", t.Dir, strings.Join(different, ", "))
	}
	t.keep(recorded, before, began)
	return nil
}

// checked is the content of the file that keeps what was seen.
type checked struct {
	Sums  string            `json:"sums"`  // SHA-256 of the digests' file
	Files map[string]string `json:"files"` // size, times and inode
}

// seen returns what the last check saw; none if that was of other digests.
func (t Tree) seen(recorded []byte) (files map[string]string, found bool) {
	data, err := os.ReadFile(t.Seen)
	var last checked
	if err != nil || json.Unmarshal(data, &last) != nil || last.Sums != sumOf(recorded) {
		return nil, false
	}
	return last.Files, true
}

// keep notes what was seen, unless a file is so young that it could change without being noticed. Where nothing can be written, the next
// check reads everything again.
func (t Tree) keep(recorded []byte, stamps map[string]string, read time.Time) {
	if t.Seen == "" || stamps == nil || t.youngerThan(read.Add(-settled)) {
		return
	}
	data, err := json.Marshal(checked{sumOf(recorded), stamps})
	if err == nil && os.MkdirAll(filepath.Dir(t.Seen), 0o755) == nil {
		_ = atomicfile.Write(t.Seen, data, 0o644) // see above
	}
}

// each calls a function with every file but the digests' own.
func (t Tree) each(do func(name, file string, entry fs.DirEntry) error) error {
	return filepath.WalkDir(t.Dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(t.Dir, file)
		if err != nil || name == Name {
			return err
		}
		if special := !entry.Type().IsRegular() && entry.Type() != fs.ModeSymlink; special && t.Special {
			return nil
		} else if special {
			return fmt.Errorf("%s is of type %s, want only files, directories and links", file, entry.Type())
		}
		return do(filepath.ToSlash(name), file, entry)
	})
}

// digest returns the digests of the files as they are now.
func (t Tree) digest() (map[string]string, error) {
	sums := map[string]string{}
	return sums, t.each(func(name, file string, entry fs.DirEntry) (err error) {
		sums[name], err = digestOf(file, entry)
		return err
	})
}

// digestOf returns the SHA-256 of a file's bytes, or of where a link leads.
func digestOf(file string, entry fs.DirEntry) (string, error) {
	if entry.Type() == fs.ModeSymlink {
		target, err := os.Readlink(file)
		return sumOf([]byte("-> " + target)), err
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // opened for reading only
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func format(sums map[string]string) []byte {
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&out, "%s  %s\n", sums[name], name)
	}
	return out.Bytes()
}

// parse is the inverse of format.
func parse(text []byte) map[string]string {
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		sums[name] = sum
	}
	return sums
}

func differences(recorded, found map[string]string) []string {
	var all []string
	for name, want := range recorded {
		switch got, there := found[name]; {
		case !there:
			all = append(all, name+" is missing")
		case got != want:
			all = append(all, fmt.Sprintf("%s has the SHA-256 %s, want %s", name, got, want))
		}
	}
	for name := range found {
		if _, known := recorded[name]; !known {
			all = append(all, name+" does not belong to it")
		}
	}
	slices.Sort(all)
	return all
}

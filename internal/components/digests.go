package components

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
)

// digestsFile lies in each build and holds the SHA-256 of all its other files, in the form of sha256sum. Whoever uses a build
// compares them first: programs of the cache run as root. It protects against files that were damaged or replaced, not
// against who can write to the cache as its owner does.
const digestsFile = "SHA256SUMS"

// errNoDigests is the problem of a build that was made before digests were recorded.
var errNoDigests = errors.New("its digests are not recorded")

// digest returns the digests of a build as they are now.
func digest(directory string) ([]byte, error) {
	sums := map[string]string{}
	err := filepath.WalkDir(directory, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(directory, file)
		if err != nil || name == digestsFile {
			return err
		}
		sums[name], err = digestOf(file, entry)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&out, "%s  %s\n", sums[name], filepath.ToSlash(name))
	}
	return out.Bytes(), nil
}

// digestOf returns the SHA-256 of a file's bytes, or of where a link leads.
func digestOf(file string, entry fs.DirEntry) (sum string, err error) {
	hash := sha256.New()
	switch {
	case entry.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "-> %s", target)
	case !entry.Type().IsRegular():
		return "", fmt.Errorf("%s is of type %s, want only files, directories and links in a build", file, entry.Type())
	default:
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }() // opened for reading only
		if _, err := io.Copy(hash, f); err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// record writes the digests of a finished build into it, and brings them to the disk.
func record(directory string) error {
	sums, err := digest(directory)
	if err != nil {
		return fmt.Errorf("record the digests of a build: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(directory, digestsFile), sums, 0o644); err != nil {
		return fmt.Errorf("record the digests of a build: %w", err)
	}
	return nil
}

// verify compares the component's build with its digests. The error names each file that differs.
func (c Component) verify(cache string) error {
	directory := c.Directory(cache)
	recorded, err := os.ReadFile(filepath.Join(directory, digestsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s in %s: %w", c, directory, errNoDigests)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	found, err := digest(directory)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	if bytes.Equal(recorded, found) {
		return nil
	}
	return fmt.Errorf("%s in %s is damaged or was changed: %s", c, directory, strings.Join(differences(sumsOf(recorded), sumsOf(found)), ", "))
}

func sumsOf(text []byte) map[string]string {
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

package image

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

const (
	// jarsLock is the file beside the pom that names every jar that Maven fetches for the image, with its SHA-256.
	jarsLock = "jars.sha256"
	// jarsLockRenewal is what recreates it after a change of the pom.
	jarsLockRenewal = "if the pom changed, run \"make jars-lock\" and look at what it changes"
)

// jarSums are the SHA-256 of jars by their names.
type jarSums map[string]string

// readJarSums reads the list in the form of sha256sum.
func readJarSums(file string) (jarSums, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the list of the jars that Maven may fetch: %w; %s", err, jarsLockRenewal)
	}
	line := regexp.MustCompile(`^([0-9a-f]{64})  ([^/\s]+\.jar)$`)
	sums := jarSums{}
	for i, text := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		match := line.FindSubmatch(text)
		if match == nil {
			return nil, fmt.Errorf("%s: line %d is %.100q, want a SHA-256, two spaces and the name of a jar; %s", file, i+1, text, jarsLockRenewal)
		}
		name := string(match[2])
		if _, twice := sums[name]; twice {
			return nil, fmt.Errorf("%s: %s is in it twice; %s", file, name, jarsLockRenewal)
		}
		sums[name] = string(match[1])
	}
	return sums, nil
}

// format is the inverse of readJarSums.
func (s jarSums) format() []byte {
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&out, "%s  %s\n", s[name], name)
	}
	return out.Bytes()
}

// sumJars returns the sums of the jars in a directory; none if there is no such directory.
func sumJars(dir string) (jarSums, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return jarSums{}, nil
	}
	if err != nil {
		return nil, err
	}
	sums := jarSums{}
	for _, e := range entries {
		sum, err := hashFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		sums[e.Name()] = sum
	}
	return sums, nil
}

// check names every jar that was fetched and is not what the list says, all together. What is in the list and was not fetched
// is no danger: each use fetches its own scope of the pom.
func (s jarSums) check(fetched jarSums) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(fetched)) {
		switch want, known := s[name]; {
		case !known:
			problems = append(problems, fmt.Errorf("%s was fetched and is not in the list", name))
		case want != fetched[name]:
			problems = append(problems, fmt.Errorf("%s has the SHA-256 %s, want %s", name, fetched[name], want))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("the jars that Maven fetched are not those of %s: %w\nif the pom did not change, the repository or the network gave "+
			"something else, or ~/.m2 is damaged: "+
			"remove what is named from it and try again; %s", jarsLock, errors.Join(problems...), jarsLockRenewal)
	}
	return nil
}

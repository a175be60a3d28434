package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Images that need a checkout to be built are noted by name when they are, for those who have none.

func (e Env) lastFile(name string) string { return filepath.Join(e.images(), name+".json") }

// remember notes the image for those who have no checkout.
func (e Env) remember(name string, a Archive) error {
	return writeJSON(e.lastFile(name), a)
}

// last returns the image that was remembered last.
func (e Env) last(name string) (Archive, error) {
	if slices.Contains([]string{jarName(StagedJar), jarName(WitnessJar)}, name) {
		return e.lastOf(name, name+".jar", "spark") // with which they are built
	}
	return e.lastOf(name, "image "+name, name)
}

// lastOf is last; build are the arguments of the command that makes what is remembered.
func (e Env) lastOf(name, what, build string) (Archive, error) {
	var a Archive
	err := readJSON(e.lastFile(name), &a)
	if err == nil && !touch(filepath.Dir(a.Path)) {
		err = fmt.Errorf("%s: %w", a.Path, os.ErrNotExist)
	}
	if errors.Is(err, os.ErrNotExist) {
		return Archive{}, fmt.Errorf("the %s is not in the cache %s and can be built only in a checkout of sparkchaos: "+
			"run \"sparkchaos image build %s\" there: %w", what, e.Cache, build, err)
	}
	return a, err
}

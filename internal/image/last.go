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
	if err == nil {
		err = e.usable(filepath.Dir(a.Path))
	}
	if errors.Is(err, os.ErrNotExist) {
		return Archive{}, fmt.Errorf("the %s is not in the cache %s and can be built only in a checkout of sparkchaos: "+
			"run \"sparkchaos image build %s\" there: %w", what, e.Cache, build, err)
	}
	if err != nil {
		return Archive{}, fmt.Errorf("the %s is not as it was made: %w\nrun \"sparkchaos image build %s\" in a checkout of sparkchaos, "+
			"or remove it and get it again", what, err, build)
	}
	return a, nil
}

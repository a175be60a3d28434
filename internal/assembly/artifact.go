// Package assembly puts together what a run works with: images, the files that a scenario names, the installation of Chaos Mesh, shipped
// scenarios.
package assembly

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/rootedfile"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/scenarios"
)

// Artifacts finds the files that a scenario names: its application's jar and files, manifests, an archive with its image.
type Artifacts struct {
	beside string // directory of the scenario's file; empty if it was shipped
	cache  string // where shipped files are put to be read
	build  func(context.Context) (string, error)
	given  map[string]string // paths of files that the caller gives by a name
}

// NewArtifacts returns the files for the scenario of a directory, which is empty for a shipped scenario.
func NewArtifacts(beside, cache string) Artifacts {
	build := func(ctx context.Context) (string, error) { return image.Staged(ctx, ImagesOf(cache)) }
	return Artifacts{beside: beside, cache: cache, build: build}
}

// CheckArtifacts refuses a workload that names a jar or file which is neither beside the scenario nor shipped, before anything
// is done.
func CheckArtifacts(w scenario.Workload, beside string) error {
	var problems []error
	named := slices.Concat(scenario.Artifacts(w.Application), w.Manifests)
	if w.ImageArchive != "" {
		named = append(named, w.ImageArchive)
	}
	for _, name := range named {
		problems = append(problems, Artifacts{beside: beside}.check(name))
	}
	return errors.Join(problems...)
}

// check returns why a file cannot be found, or nil. It builds nothing and writes nothing.
func (a Artifacts) check(name string) error {
	file, err := a.openBeside(name)
	switch {
	case err == nil:
		return file.Close()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case name == image.StagedJar:
		return nil // is built when it is needed
	default:
		_, err = a.shipped(name)
		return err
	}
}

// Given returns artifacts that also have a file of the caller's, from anywhere on this machine, by a name.
func (a Artifacts) Given(files map[string]string) Artifacts {
	a.given = files
	return a
}

// Find opens a file: one beside the scenario, else one that was shipped with the program. No other file of this machine is
// opened, for what a scenario names is given to the code that it runs.
func (a Artifacts) Find(ctx context.Context, name string) (*os.File, error) {
	if path, ok := a.given[name]; ok {
		return os.Open(path)
	}
	file, err := a.openBeside(name)
	if err == nil {
		return file, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if name == image.StagedJar {
		built, err := a.build(ctx)
		if err != nil {
			return nil, err
		}
		return os.Open(built)
	}
	content, err := a.shipped(name)
	if err != nil {
		return nil, err
	}
	kept := filepath.Join(a.cache, "artifacts", filepath.FromSlash(path.Clean(name)))
	if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
		return nil, fmt.Errorf("artifact %s: %w", name, err)
	}
	if err := os.WriteFile(kept, content, 0o600); err != nil {
		return nil, fmt.Errorf("artifact %s: %w", name, err)
	}
	return os.Open(kept)
}

// openBeside opens a file in the scenario's directory or below it. If there is none, the error is fs.ErrNotExist.
func (a Artifacts) openBeside(name string) (*os.File, error) {
	if !rootedfile.IsLocal(name) {
		return nil, cluster.Optionf("artifact %q: files are taken from the scenario's directory and below it alone; expected a relative path "+
			"without \"..\"", name)
	}
	if a.beside == "" {
		return nil, fs.ErrNotExist
	}
	file, err := rootedfile.Open(a.beside, name)
	if err != nil {
		return nil, cluster.Optionf("artifact %s: %w", name, err)
	}
	return file, nil
}

// shipped returns the content of a file that was shipped with the program.
func (a Artifacts) shipped(name string) ([]byte, error) {
	content, err := fs.ReadFile(scenarios.Files(), path.Clean(filepath.ToSlash(name)))
	if err == nil {
		return content, nil
	}
	if a.beside == "" {
		return nil, cluster.Optionf("artifact %s: no file of that name is shipped", name)
	}
	return nil, cluster.Optionf("artifact %s: there is no such file in the scenario's directory %s, and none of that name is shipped", name,
		a.beside)
}

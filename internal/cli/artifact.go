package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/internal/rootedfile"
	"github.com/sparkchaos/sparkchaos/pkg/image"
	"github.com/sparkchaos/sparkchaos/scenarios"
)

// artifacts finds the files that a scenario names: its application's jar and files.
type artifacts struct {
	beside string // directory of the scenario's file; empty if it was shipped
	cache  string // where shipped files are put to be read
	build  func(context.Context) (string, error)
}

// artifactFinder returns how the files that the scenario of a directory names are found.
func artifactFinder(getenv func(string) string) (func(beside string) func(context.Context, string) (*os.File, error), error) {
	cache, err := paths.Cache(getenv)
	if err != nil {
		return nil, err
	}
	return func(beside string) func(context.Context, string) (*os.File, error) {
		build := func(ctx context.Context) (string, error) { return image.Staged(ctx, imagesOf(cache)) }
		return artifacts{beside: beside, cache: cache, build: build}.find
	}, nil
}

// find opens a file: one beside the scenario, else one that was shipped with the program. No other file of this machine is
// opened, for what a scenario names is given to the code that it runs.
func (a artifacts) find(ctx context.Context, name string) (*os.File, error) {
	if !rootedfile.IsLocal(name) {
		return nil, usagef("artifact %q: files are taken from the scenario's directory and below it alone; expected a relative path without \"..\"", name)
	}
	if a.beside != "" {
		file, err := rootedfile.Open(a.beside, name)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("artifact %s: %w", name, err)
		}
	}
	if name == image.StagedJar {
		built, err := a.build(ctx)
		if err != nil {
			return nil, err
		}
		return os.Open(built)
	}
	content, shipped := fs.ReadFile(scenarios.Files(), path.Clean(filepath.ToSlash(name)))
	if shipped != nil {
		return nil, fmt.Errorf("artifact %s: there is no such file in the scenario's directory %s, and none of that name is shipped", name, a.beside)
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

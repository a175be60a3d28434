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
func artifactFinder(getenv func(string) string) (func(beside string) func(context.Context, string) (string, error), error) {
	cache, err := paths.Cache(getenv)
	if err != nil {
		return nil, err
	}
	return func(beside string) func(context.Context, string) (string, error) {
		build := func(ctx context.Context) (string, error) { return image.Staged(ctx, imagesOf(cache)) }
		return artifacts{beside: beside, cache: cache, build: build}.find
	}, nil
}

// find returns the path of a file: beside the scenario, else shipped with the program.
func (a artifacts) find(ctx context.Context, name string) (string, error) {
	file := name
	if !filepath.IsAbs(name) {
		file = filepath.Join(a.beside, name)
	}
	_, err := os.Stat(file)
	switch {
	case err == nil:
		return filepath.Abs(file)
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("artifact %s: %w", name, err)
	case name == image.StagedJar:
		return a.build(ctx)
	}
	content, shipped := fs.ReadFile(scenarios.Files(), path.Clean(filepath.ToSlash(name)))
	if shipped != nil {
		return "", fmt.Errorf("artifact %s: there is no file %s, and none of that name is shipped; paths are counted from the scenario's directory", name, file)
	}
	kept := filepath.Join(a.cache, "artifacts", filepath.FromSlash(path.Clean(name)))
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return "", fmt.Errorf("artifact %s: %w", name, err)
	}
	if err := os.WriteFile(kept, content, 0o644); err != nil {
		return "", fmt.Errorf("artifact %s: %w", name, err)
	}
	return kept, nil
}

package assembly

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/nearest"
	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/scenarios"
)

// ReadScenario reads the file that an argument names, or else the shipped scenario of that name, and reports whether it was
// shipped with the program. A shipped scenario has the names that README and "sparkchaos list" give it, and its path in a
// checkout.
func ReadScenario(argument string) (data []byte, shipped bool, err error) {
	data, err = ReadDocument(argument)
	if err == nil {
		return data, false, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, false, cluster.Optionf("read scenario: %w", err)
	}
	files, err := ShippedFiles()
	if err != nil {
		return nil, false, err
	}
	names := make([]string, 0, len(files))
	for _, file := range files {
		if slices.Contains(namesOfShipped(file), shippedName(argument)) {
			data, err := ReadShipped(file)
			return data, true, err
		}
		names = append(names, shippedName(path.Base(file)))
	}
	hint := "`sparkchaos list` shows the shipped scenarios"
	if near, ok := nearest.To(shippedName(path.Base(argument)), names); ok {
		hint = "did you mean " + near + "?"
	}
	return nil, false, cluster.Optionf("there is no file and no shipped scenario %q; %s", argument, hint)
}

// BesideOf returns the directory of a scenario's file; empty if it was shipped.
func BesideOf(argument string, shipped bool) string {
	if shipped {
		return ""
	}
	return filepath.Dir(argument)
}

// shippedName returns what an argument names if it is no file: a path without its ending.
func shippedName(argument string) string {
	return strings.TrimSuffix(path.Clean(filepath.ToSlash(argument)), ".yaml")
}

// namesOfShipped returns the names of the shipped scenario in a file below scenarios/: its own, as "driver-as-pod", the one
// that says that it is a control, as "controls/driver-as-pod", and its path in a checkout.
func namesOfShipped(file string) []string {
	below := shippedName(file)
	return []string{path.Base(below), below, path.Join("scenarios", below)}
}

// ReadDocument reads a file that is decoded as YAML, and of one that is too long no more than shows that it is.
func ReadDocument(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, strictyaml.MaxBytes+1))
	return data, errors.Join(err, file.Close())
}

// ShippedFiles returns the files of the shipped scenarios in their order, controls last. Each is named after its
// scenario.
func ShippedFiles() ([]string, error) {
	var files []string
	for _, pattern := range []string{"*.yaml", "controls/*.yaml"} {
		found, err := fs.Glob(scenarios.Files(), pattern)
		if err != nil {
			return nil, fmt.Errorf("list shipped scenarios: %w", err)
		}
		files = append(files, found...)
	}
	return files, nil
}

func ReadShipped(file string) ([]byte, error) {
	data, err := fs.ReadFile(scenarios.Files(), file)
	if err != nil {
		return nil, fmt.Errorf("read shipped scenario: %w", err)
	}
	return data, nil
}

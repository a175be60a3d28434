package cli

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
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/scenarios"
)

// loadScenario reads the scenario that an argument names: a file, or else a shipped scenario by its name. All that is
// wrong with it is an error of usage.
func loadScenario(argument string, how ...scenario.Option) (*scenario.Scenario, error) {
	data, _, err := readScenario(argument)
	if err != nil {
		return nil, err
	}
	s, err := scenario.Load(argument, data, catalogue(), how...)
	return s, withCode(ExitUsage, err)
}

// readScenario reads the file that an argument names, or else the shipped scenario of that name, and reports whether it was
// shipped with the program. A shipped scenario has the names that README and "sparkchaos list" give it, and its path in a
// checkout.
func readScenario(argument string) (data []byte, shipped bool, err error) {
	data, err = readDocument(argument)
	if err == nil {
		return data, false, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, false, usagef("read scenario: %w", err)
	}
	files, err := shippedFiles()
	if err != nil {
		return nil, false, err
	}
	names := make([]string, 0, len(files))
	for _, file := range files {
		if slices.Contains(namesOfShipped(file), shippedName(argument)) {
			data, err := readShipped(file)
			return data, true, err
		}
		names = append(names, shippedName(path.Base(file)))
	}
	hint := "`sparkchaos list` shows the shipped scenarios"
	if near, ok := nearest.To(shippedName(path.Base(argument)), names); ok {
		hint = "did you mean " + near + "?"
	}
	return nil, false, usagef("there is no file and no shipped scenario %q; %s", argument, hint)
}

// besideOf returns the directory of a scenario's file; empty if it was shipped.
func besideOf(argument string, shipped bool) string {
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

// readDocument reads a file that is decoded as YAML, and of one that is too long no more than shows that it is.
func readDocument(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, strictyaml.MaxBytes+1))
	return data, errors.Join(err, file.Close())
}

// shippedFiles returns the files of the shipped scenarios in their order, controls last. Each is named after its
// scenario.
func shippedFiles() ([]string, error) {
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

func readShipped(file string) ([]byte, error) {
	data, err := fs.ReadFile(scenarios.Files(), file)
	if err != nil {
		return nil, fmt.Errorf("read shipped scenario: %w", err)
	}
	return data, nil
}

// shippedScenario is a scenario that comes with the program.
type shippedScenario struct {
	file     string // below scenarios/
	scenario *scenario.Scenario
}

// shippedScenarios returns the shipped scenarios in the order of their files, controls last.
func shippedScenarios() ([]shippedScenario, error) {
	files, err := shippedFiles()
	if err != nil {
		return nil, err
	}
	var shipped []shippedScenario
	for _, file := range files {
		data, err := readShipped(file)
		if err != nil {
			return nil, err
		}
		s, err := scenario.Load(path.Join("scenarios", file), data, catalogue())
		if err != nil {
			return nil, fmt.Errorf("a shipped scenario is not valid, which is a mistake of the program: %w", err)
		}
		shipped = append(shipped, shippedScenario{file: file, scenario: s})
	}
	return shipped, nil
}

// loadPlan reads a plan from a file.
func loadPlan(file string, how ...scenario.Option) (*plan.Plan, error) {
	data, err := readDocument(file)
	if err != nil {
		return nil, usagef("read plan: %w", err)
	}
	p, err := plan.Parse(file, data, catalogue(), how...)
	return p, withCode(ExitUsage, err)
}

// makePlan plans a scenario for a kind of cluster. What the cluster cannot do is an error of usage.
func makePlan(s *scenario.Scenario, seed uint64, chosen *clusterChoice) (*plan.Plan, error) {
	kind, err := chosen.of()
	if err != nil {
		return nil, err
	}
	can, err := kind.Can()
	if err != nil {
		return nil, err
	}
	p, err := plan.New(s, seed, can, catalogue())
	return p, withCode(ExitUsage, err)
}

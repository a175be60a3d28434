package cli

import (
	"fmt"
	"path"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// loadScenario reads the scenario that an argument names: a file, or else a shipped scenario by its name. All that is
// wrong with it is an error of usage.
func loadScenario(argument string, how ...scenario.Option) (*scenario.Scenario, error) {
	data, _, err := assembly.ReadScenario(argument)
	if err != nil {
		return nil, err
	}
	s, err := scenario.Load(argument, data, catalogue(), how...)
	return s, withCode(ExitUsage, err)
}

// shippedScenario is a scenario that comes with the program.
type shippedScenario struct {
	file     string // below scenarios/
	scenario *scenario.Scenario
}

// shippedScenarios returns the shipped scenarios in the order of their files, controls last.
func shippedScenarios() ([]shippedScenario, error) {
	files, err := assembly.ShippedFiles()
	if err != nil {
		return nil, err
	}
	var shipped []shippedScenario
	for _, file := range files {
		data, err := assembly.ReadShipped(file)
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
	data, err := assembly.ReadDocument(file)
	if err != nil {
		return nil, usagef("read plan: %w", err)
	}
	p, err := plan.Parse(file, data, catalogue(), how...)
	return p, withCode(ExitUsage, err)
}

// makePlan plans a scenario for a kind of cluster. It is a usage error if the cluster cannot do something.
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

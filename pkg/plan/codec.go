package plan

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const millisecond = scenario.Duration(time.Millisecond)

// Marshal writes a plan as YAML. Parse reads it as the same plan, and writing that gives the same bytes.
func Marshal(p *Plan) ([]byte, error) { return strictyaml.YAML(p, true) }

// MarshalJSON writes a plan as JSON, with the same content and order as in YAML; Parse reads it too.
func (p Plan) MarshalJSON() ([]byte, error) {
	type plain Plan // without this method
	return strictyaml.JSON(plain(p), true)
}

// Parse reads a plan from YAML or JSON as strictly as scenarios are read. It returns a *scenario.Error with every
// problem. file is only used in messages.
func Parse(file string, data []byte, catalogue scenario.Catalogue, how ...scenario.Option) (*Plan, error) {
	var p Plan
	err := scenario.Decode(file, data, catalogue, &p, func(report func(path, format string, args ...any)) {
		if p.Kind == Kind {
			scenario.CheckConf("workload.conf", p.Workload.Conf, scenario.PlainSecretsAllowed(how), report)
			validate(&p, catalogue, report)
		}
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// validate finds contradictions in a plan that was written or changed by hand.
func validate(p *Plan, catalogue scenario.Catalogue, report func(path, format string, args ...any)) {
	seen := map[string]bool{}
	for i, step := range p.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		known := step.Action == Inject || step.Action == Recover
		if want := stepID(step.Fault, step.Action); known && step.ID != want {
			report(at+".id", "%q does not say fault and action; want %q", step.ID, want)
		}
		if seen[step.ID] {
			report(at+".id", "%q is given twice; a fault is injected and recovered once", step.ID)
		}
		if step.Action == Recover && !seen[stepID(step.Fault, Inject)] {
			report(at, "recovers %s before any step injects it; put the injection first", step.Fault)
		}
		seen[step.ID] = true
		validateMoment(step, at, report)
	}
	for i, step := range p.Steps {
		entry, _ := scenario.Find(catalogue.Faults, step.Do.Name)
		if step.Action == Inject && step.Do.Name != "" && !entry.Instant && !seen[stepID(step.Fault, Recover)] {
			report(fmt.Sprintf("steps[%d]", i), "nothing undoes %s; add the step %s", step.Fault, stepID(step.Fault, Recover))
		}
	}
}

func validateMoment(step Step, at string, report func(path, format string, args ...any)) {
	switch {
	case step.AtEnd && step.Action == Inject:
		report(at+".atEnd", "nothing is injected after the application has settled; give the step an anchor")
	case step.AtEnd && (step.Anchor != nil || step.Delay != 0 || step.Deadline != 0):
		report(at+".atEnd", "a step at the end awaits nothing; leave out anchor, delay and deadline, or atEnd")
	case !step.AtEnd && step.Anchor == nil:
		report(at+".anchor", "missing; want an anchor, or atEnd: true for a recovery")
	case !step.AtEnd && step.Deadline <= 0:
		report(at+".deadline", "missing; want how long the anchor is awaited, for example 60s")
	}
}

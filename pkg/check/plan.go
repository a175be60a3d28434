package check

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// plan is what of a run's plan the judgement needs. It is read from the history, so that a history can be judged by
// itself, by a program that does not know how plans are made.
type plan struct {
	expect   []expectation
	injects  []string          // faults that have to land, in the plan's order
	kinds    map[string]string // of the faults
	recovers map[string]bool   // faults that the plan undoes
	control  *control
	alone    bool // the workload runs without the witness
	attached bool // somebody else starts the application
	watched  bool // and no fault is planned
}

// planJSON is the plan's format. What the judgement does not need is not decoded, but known: a plan with anything else in it is one of
// another release, which may mean something else by what it says.
type planJSON struct {
	APIVersion string                       `json:"apiVersion"`
	Kind       string                       `json:"kind"`
	Scenario   json.RawMessage              `json:"scenario"`
	Seed       json.RawMessage              `json:"seed"`
	Cluster    json.RawMessage              `json:"cluster"`
	Workload   json.RawMessage              `json:"workload"`
	Baseline   json.RawMessage              `json:"baseline"`
	Settle     json.RawMessage              `json:"settle"`
	Steps      []stepJSON                   `json:"steps"`
	Expect     []map[string]json.RawMessage `json:"expect"`
	Control    *struct {
		EndsIn    Verdict  `json:"endsIn"`
		Violated  []string `json:"violated"`
		NotLanded []string `json:"notLanded"`
	} `json:"control"`
}

// stepJSON is one step of a plan.
type stepJSON struct {
	ID       string                     `json:"id"`
	Fault    string                     `json:"fault"`
	Action   string                     `json:"action"`
	Do       map[string]json.RawMessage `json:"do"`
	By       string                     `json:"by"`
	Why      string                     `json:"why"`
	Anchor   json.RawMessage            `json:"anchor"`
	Delay    json.RawMessage            `json:"delay"`
	Deadline json.RawMessage            `json:"deadline"`
	AtEnd    bool                       `json:"atEnd"`
}

// The format of plans that is read. Histories of tests may leave both out.
const planVersion, planKind = "sparkchaos.dev/v1alpha1", "Plan"

// wantsTasks reports whether a plan asks for an invariant that is judged by tasks.
func wantsTasks(run history.RunData) bool {
	p, err := readPlan(run)
	return err == nil && slices.ContainsFunc(p.expect, func(e expectation) bool { return e.name == invariantShuffleSurvives })
}

// errNoStart says that there is nothing to judge by.
var errNoStart = errors.New("the history does not say what was planned: its first event is missing or unreadable")

func readPlan(run history.RunData) (plan, error) {
	var read planJSON
	if len(run.Plan) == 0 {
		return plan{}, errNoStart
	}
	decoder := json.NewDecoder(bytes.NewReader(run.Plan))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return plan{}, fmt.Errorf("the plan in the history cannot be read: %w; judge it with the release that made it", err)
	}
	if version := cmp.Or(read.APIVersion, planVersion); version != planVersion {
		const format = "the plan in the history has the version %q, this sparkchaos reads %s: judge it with the release that made it"
		return plan{}, fmt.Errorf(format, version, planVersion)
	}
	if kind := cmp.Or(read.Kind, planKind); kind != planKind {
		return plan{}, fmt.Errorf("the plan in the history is of kind %q, want %s", kind, planKind)
	}
	var workload struct {
		Witness  string `json:"witness"`
		Launcher string `json:"launcher"`
	}
	if len(read.Workload) > 0 {
		if err := json.Unmarshal(read.Workload, &workload); err != nil {
			return plan{}, fmt.Errorf("the workload of the plan in the history cannot be read: %w", err)
		}
	}
	p := plan{
		alone: workload.Witness == scenario.WitnessOff, attached: workload.Launcher == scenario.LauncherAttach,
		kinds: map[string]string{}, recovers: map[string]bool{},
	}
	for _, expected := range read.Expect {
		if len(expected) != 1 {
			return plan{}, fmt.Errorf("the plan in the history cannot be read: an entry of expect names %d invariants, want one", len(expected))
		}
		for name, args := range expected {
			p.expect = append(p.expect, expectation{name: name, args: args})
		}
	}
	for _, s := range read.Steps {
		if s.Fault == "" {
			return plan{}, fmt.Errorf("the plan in the history cannot be read: step %q names no fault", s.ID)
		}
		switch s.Action {
		case "inject":
			p.injects = append(p.injects, s.Fault)
		case "recover":
			p.recovers[s.Fault] = true
		default:
			return plan{}, fmt.Errorf("the plan in the history cannot be read: step %q of fault %s has the action %q, want inject or recover",
				s.ID, s.Fault, s.Action)
		}
		if kinds := slices.Sorted(maps.Keys(s.Do)); len(kinds) > 0 {
			p.kinds[s.Fault] = kinds[0]
		}
	}
	p.watched = p.attached && len(p.injects) == 0
	if read.Control != nil {
		p.control = &control{endsIn: read.Control.EndsIn, violated: read.Control.Violated, notLanded: read.Control.NotLanded}
	}
	return p, nil
}

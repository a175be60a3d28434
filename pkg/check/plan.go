package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// plan is what of a run's plan the judgement needs. It is read from the history, so that a history can be judged by
// itself, by a program that does not know how plans are made.
type plan struct {
	expect   []expectation
	injects  []string          // faults that have to land, in the plan's order
	kinds    map[string]string // of the faults
	recovers map[string]bool   // faults that the plan undoes
	control  *control
}

// planJSON is the part of the plan's format that is read.
type planJSON struct {
	Steps []struct {
		Fault  string                     `json:"fault"`
		Action string                     `json:"action"`
		Do     map[string]json.RawMessage `json:"do"`
	} `json:"steps"`
	Expect  []map[string]json.RawMessage `json:"expect"`
	Control *struct {
		EndsIn   Verdict  `json:"endsIn"`
		Violated []string `json:"violated"`
	} `json:"control"`
}

// errNoStart says that there is nothing to judge by.
var errNoStart = errors.New("the history does not say what was planned: its first event is missing or unreadable")

func readPlan(m *Model) (plan, error) {
	var read planJSON
	if len(m.Run.Plan) == 0 {
		return plan{}, errNoStart
	}
	if err := json.Unmarshal(m.Run.Plan, &read); err != nil {
		return plan{}, fmt.Errorf("the plan in the history cannot be read: %w", err)
	}
	p := plan{kinds: map[string]string{}, recovers: map[string]bool{}}
	for _, expected := range read.Expect {
		if len(expected) != 1 {
			return plan{}, fmt.Errorf("the plan in the history cannot be read: an entry of expect names %d invariants, want one", len(expected))
		}
		for name, args := range expected {
			p.expect = append(p.expect, expectation{name: name, args: args})
		}
	}
	for _, s := range read.Steps {
		switch s.Action {
		case "inject":
			p.injects = append(p.injects, s.Fault)
		case "recover":
			p.recovers[s.Fault] = true
		}
		if kinds := slices.Sorted(maps.Keys(s.Do)); len(kinds) > 0 {
			p.kinds[s.Fault] = kinds[0]
		}
	}
	if read.Control != nil {
		p.control = &control{endsIn: read.Control.EndsIn, violated: read.Control.Violated}
	}
	return p, nil
}

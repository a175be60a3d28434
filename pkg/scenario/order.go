package scenario

import (
	"fmt"
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/strictyaml"
)

// step is the injection or the recovery of one fault, as far as the order of steps goes.
type step struct {
	fault   string
	recover bool
}

func (s step) String() string {
	if s.recover {
		return s.fault + "'s recovery"
	}
	return s.fault + "'s injection"
}

// wait says that a step comes only after another one, and where the file says so.
type wait struct {
	until step
	path  string // empty: a recovery waits for its own injection, which no file says
}

// validateOrder finds steps that could never come: they wait for a fault that does not exist, for a recovery that
// never happens within the run, or for each other.
func validateOrder(faults []Fault, report report) {
	waits := map[step][]wait{}
	var steps []step
	for i, fault := range faults {
		inject, undo := step{fault: fault.Name}, step{fault: fault.Name, recover: true}
		steps = append(steps, inject)
		waits[inject] = append(waits[inject], awaited(faults, fault.When, fmt.Sprintf("spec.faults[%d].when", i), report)...)
		if fault.Recover != nil {
			steps = append(steps, undo)
			waits[undo] = append(waits[undo], wait{until: inject})
			waits[undo] = append(waits[undo], awaited(faults, fault.Recover.When, fmt.Sprintf("spec.faults[%d].recover.when", i), report)...)
		}
	}
	if len(waits) < len(steps) {
		return // two faults of one name, reported already: their steps cannot be told apart
	}
	reported := map[step]bool{}
	for _, start := range steps {
		circle := circleFrom(start, start, waits, map[step]bool{})
		if circle == nil || reported[start] {
			continue
		}
		words, path := start.String(), ""
		for i, w := range circle {
			reported[w.until] = true
			if i > 0 {
				words += ", which"
			}
			words += " waits for " + w.until.String()
			if path == "" {
				path = w.path
			}
		}
		report(path, "never comes: %s", words)
	}
}

// circleFrom returns the waits that lead from a step back to the start, or nil.
func circleFrom(at, start step, waits map[step][]wait, seen map[step]bool) []wait {
	seen[at] = true
	for _, w := range waits[at] {
		if w.until == start {
			return []wait{w}
		}
		if seen[w.until] {
			continue
		}
		if rest := circleFrom(w.until, start, waits, seen); rest != nil {
			return append([]wait{w}, rest...)
		}
	}
	return nil
}

// awaited returns what the anchor of a moment waits for, if that is a step of a fault.
func awaited(faults []Fault, moment Moment, at string, report report) []wait {
	var waits []wait
	for _, reference := range references(moment.Anchor.Args) {
		path := at + "." + moment.Anchor.Name + "." + reference.field
		i := slices.IndexFunc(faults, func(f Fault) bool { return f.Name == reference.name })
		if i < 0 {
			report(path, "no fault is called %q; %s", reference.name, strictyaml.Suggest(reference.name, faultNames(faults)))
			continue
		}
		recovery := moment.Anchor.Name == AnchorFaultRecovered
		if recovery && faults[i].Recover == nil {
			report(path, "%s is not recovered before the application has settled, so this never comes; give it a recover", reference.name)
			continue
		}
		waits = append(waits, wait{until: step{fault: reference.name, recover: recovery}, path: path})
	}
	return waits
}

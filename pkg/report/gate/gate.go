package gate

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// State is what came of a rule.
type State string

// The states of rules.
const (
	Held    State = "held"
	Broken  State = "broken"
	Unknown State = "not evaluated" // there is too little to evaluate it
)

// Outcome is a rule with its figure.
type Outcome struct {
	Rule   string `json:"rule"`
	State  State  `json:"state"`
	Figure string `json:"figure"` // what was counted or measured, in words
}

// Decision is what a gate decides.
type Decision struct {
	Verdict  check.Verdict `json:"verdict"`
	Reason   string        `json:"reason"`
	Outcomes []Outcome     `json:"rules"`
	Judged   int           `json:"judged"` // runs, each once
}

// Decide evaluates rules over runs. expect is how many runs there should be; 0 if that is not known. The runs' number, that all were judged
// and that controls ended as they should are conditions beside the rules.
func Decide(found Found, expect int, rules Rules) Decision {
	d := Decision{Judged: len(found.Runs)}
	d.add(number(found, expect), judged(found), controls(found.Runs))
	evaluated := 0
	for _, rule := range rules.Rules {
		outcome := rule.outcome(found.Runs)
		if outcome.State != Unknown {
			evaluated++
		}
		d.add(outcome)
	}
	d.conclude(evaluated)
	return d
}

func (d *Decision) add(outcomes ...Outcome) { d.Outcomes = append(d.Outcomes, outcomes...) }

func (d *Decision) conclude(evaluated int) {
	in := map[State][]Outcome{}
	for _, o := range d.Outcomes {
		in[o.State] = append(in[o.State], o)
	}
	first := func(all []Outcome) string {
		return all[0].Rule + ": " + all[0].Figure + wording.More(len(all)-1)
	}
	switch {
	case len(in[Broken]) > 0:
		d.Verdict, d.Reason = check.Violation, first(in[Broken])
	case evaluated == 0:
		d.Verdict, d.Reason = check.Inconclusive, "no rule was evaluated: "+first(in[Unknown])
	case len(in[Unknown]) > 0:
		d.Verdict, d.Reason = check.Inconclusive, first(in[Unknown])
	default:
		d.Verdict, d.Reason = check.Pass, fmt.Sprintf("%s held over %s", wording.All(len(d.Outcomes), "condition"),
			wording.Count(d.Judged, "run"))
	}
}

// number compares how many runs were judged with how many were expected.
func number(found Found, expect int) Outcome {
	o := Outcome{Rule: "runs that were judged", State: Held, Figure: fmt.Sprint(len(found.Runs))}
	if expect > 0 {
		o.Figure = fmt.Sprintf("%d of %d that were expected", len(found.Runs), expect)
	}
	if n := len(found.Again); n > 0 {
		o.Figure += fmt.Sprintf("; %s of a run that was counted already", wording.Count(n, "copy"))
	}
	if len(found.Runs) < max(1, expect) {
		o.State = Unknown
	}
	return o
}

// judged reports run directories without a verdict.
func judged(found Found) Outcome {
	o := Outcome{Rule: "each run directory has a verdict", State: Held,
		Figure: fmt.Sprintf("%d of %d", len(found.Runs)+len(found.Again), len(found.Runs)+len(found.Again)+len(found.Unjudged))}
	if n := len(found.Unjudged); n > 0 {
		o.State = Unknown
		o.Figure += "; without: " + wording.Some(found.Unjudged)
	}
	return o
}

// controls reports controls that did not end as they should. Where there are none, nothing proves that a violation would be seen; that is
// for rules to demand.
func controls(runs []report.Run) Outcome {
	o := Outcome{Rule: "controls ended as they should", State: Held, Figure: "no control was run"}
	all := 0
	var wrong []string
	for _, run := range runs {
		if control := run.Verdict.Control; control != nil {
			all++
			if !control.AsExpected {
				wrong = append(wrong, run.Verdict.Scenario)
			}
		}
	}
	if all > 0 {
		o.Figure = fmt.Sprintf("%d of %d", all-len(wrong), all)
	}
	if len(wrong) > 0 {
		o.State = Broken
		o.Figure += "; not so: " + wording.Some(wording.Distinct(wrong))
	}
	return o
}

// applies reports whether a rule is about a run.
func (r Rule) applies(run report.Run) bool {
	return len(r.Scenarios) == 0 || slices.ContainsFunc(r.Scenarios, func(pattern string) bool {
		matched, err := path.Match(pattern, run.Verdict.Scenario)
		return err == nil && matched
	})
}

func (r Rule) outcome(all []report.Run) Outcome {
	runs := slices.DeleteFunc(slices.Clone(all), func(run report.Run) bool { return !r.applies(run) })
	o := Outcome{Rule: r.Name, State: Held}
	if r.Runs != nil { // few runs are what it is about
		return o.figure(len(runs) >= r.Runs.AtLeast, fmt.Sprintf("%s, at least %d", wording.Count(len(runs), "run"), r.Runs.AtLeast))
	}
	if len(runs) == 0 {
		o.State, o.Figure = Unknown, "no run is of the scenarios that it names"
		return o
	}
	verdicts := func(some ...check.Verdict) int {
		n := 0
		for _, run := range runs {
			if slices.Contains(some, run.Verdict.Verdict) {
				n++
			}
		}
		return n
	}
	switch {
	case r.Passed != nil:
		n := verdicts(check.Pass)
		return o.share(n, len(runs), "passed", r.Passed.AtLeast)
	case r.Inconclusive != nil:
		n := verdicts(check.Inconclusive, check.Error)
		return o.figure(float64(n) <= r.Inconclusive.AtMost*float64(len(runs)),
			fmt.Sprintf("%d of %d were inconclusive or failed, at most %s", n, len(runs), percent(r.Inconclusive.AtMost)))
	case r.Violations != nil:
		n := verdicts(check.Violation)
		return o.figure(n <= r.Violations.AtMost, fmt.Sprintf("%d of %d ended in a violation, at most %d", n, len(runs), r.Violations.AtMost))
	case r.Invariant != nil:
		return o.invariant(*r.Invariant, runs)
	case r.Phase != nil:
		return o.phase(*r.Phase, runs)
	default:
		o.State, o.Figure = Unknown, "it has no condition"
		return o
	}
}

// figure returns the outcome with its figure.
func (o Outcome) figure(held bool, figure string) Outcome {
	o.Figure = figure
	if !held {
		o.State = Broken
	}
	return o
}

func (o Outcome) share(n, of int, what string, least float64) Outcome {
	return o.figure(float64(n) >= least*float64(of), fmt.Sprintf("%d of %d %s, at least %s", n, of, what, percent(least)))
}

func percent(share float64) string { return fmt.Sprintf("%.4g %%", 100*share) }

// invariant counts where an invariant held. Where it could not be judged it did not hold.
func (o Outcome) invariant(want Invariant, runs []report.Run) Outcome {
	held, judged := 0, 0
	for _, run := range runs {
		for _, result := range run.Verdict.Results {
			if result.Invariant == want.Name {
				judged++
				if result.Verdict == check.Pass {
					held++
				}
			}
		}
	}
	if judged == 0 {
		o.State, o.Figure = Unknown, fmt.Sprintf("no run expects %s", want.Name)
		return o
	}
	return o.share(held, judged, "held "+want.Name, want.AtLeast)
}

// phase compares the longest time that a phase of recovery took.
func (o Outcome) phase(want Phase, runs []report.Run) Outcome {
	var longest time.Duration
	var where string
	n := 0
	for _, run := range runs {
		for _, result := range run.Verdict.Results {
			for _, phase := range result.Phases {
				if phase.Name != want.Name {
					continue
				}
				if n++; phase.Duration >= longest {
					longest, where = phase.Duration, filepath.Base(run.Info.Directory)
				}
			}
		}
	}
	if n == 0 {
		o.State, o.Figure = Unknown, fmt.Sprintf("no run has a recovery with the phase %s", want.Name)
		return o
	}
	return o.figure(longest <= want.Within, fmt.Sprintf("the longest of %d took %s (%s), at most %s", n, wording.Duration(longest), where,
		wording.Duration(want.Within)))
}

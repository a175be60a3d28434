package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// control is how a known-bad scenario must end.
type control struct {
	endsIn    Verdict
	violated  []string
	notLanded []string // faults that must be tried and must not land
}

// assess compares what happened with what the control was to end in. intact reports whether the record is complete: a control that is
// inconclusive because the harness was killed proves nothing. other is what else is wrong with the run, besides faults that did not land.
func (c *control) assess(judged Verdict, results []Result, m *model.Model, intact bool, other []string) *Control {
	outcome := &Control{Expected: c.endsIn, Invariants: c.violated, NotLanded: c.notLanded, Judged: judged}
	var wrong []string
	if !intact {
		wrong = append(wrong, "the record is not complete")
	}
	switch c.endsIn {
	case Violation:
		wrong = append(wrong, c.wrongViolations(results)...)
		wrong = append(wrong, other...)
	case Inconclusive:
		wrong = append(wrong, c.wrongLandings(m)...)
		wrong = append(wrong, c.wrongViolations(results)...)
		wrong = append(wrong, other...)
	default:
		wrong = append(wrong, fmt.Sprintf("a control ends in %s or in %s, not in %q", Violation, Inconclusive, c.endsIn))
	}
	if judged != c.endsIn {
		wrong = append(wrong, fmt.Sprintf("it ended in %s", judged))
	}
	outcome.AsExpected = len(wrong) == 0
	if len(wrong) > 0 {
		outcome.Wrong = wrong[0] + wording.More(len(wrong)-1)
	}
	return outcome
}

// wrongViolations returns which invariants were to be violated and were not, and which were violated and not to be.
func (c *control) wrongViolations(results []Result) []string {
	var wrong []string
	for _, name := range c.violated {
		if !slices.ContainsFunc(results, func(r Result) bool { return r.Invariant == name && r.Verdict == Violation }) {
			wrong = append(wrong, name+" was not violated")
		}
	}
	if c.endsIn == Violation && len(c.violated) == 0 {
		wrong = append(wrong, "it does not say which invariants are to be violated")
	}
	for _, r := range results {
		if r.Verdict == Violation && !slices.Contains(c.violated, r.Invariant) {
			wrong = append(wrong, r.Invariant+" was violated, too: "+r.Message)
		}
	}
	return wrong
}

// wrongLandings returns which of the faults that must not land were not even tried, or landed.
func (c *control) wrongLandings(m *model.Model) []string {
	if len(c.notLanded) == 0 {
		return []string{"it does not say which faults must not land (control.notLanded)"}
	}
	var wrong []string
	for _, name := range c.notLanded {
		switch fault := m.Fault(name); {
		case fault == nil || fault.Injecting.Never() && fault.DidNotLand.Never():
			wrong = append(wrong, "fault "+name+" was never injected")
		case !fault.Landed.Never():
			wrong = append(wrong, "fault "+name+" landed")
		case fault.DidNotLand.Never():
			wrong = append(wrong, "nothing shows that fault "+name+" did not land")
		}
	}
	return wrong
}

// conclude turns a control's outcome into the run's verdict. A control that passes by its invariants is the worst that
// can happen: the harness cannot see what it is there to see, so that is a violation.
func (c *Control) conclude(reason string) (Verdict, string) {
	if c.AsExpected {
		return Pass, fmt.Sprintf("the control ended as expected in %s: %s", c.Expected, reason)
	}
	wanted := string(c.Expected)
	if len(c.Invariants) > 0 {
		wanted += " of " + strings.Join(c.Invariants, ", ")
	}
	verdict := c.Judged
	if verdict == Pass {
		verdict = Violation
	}
	if len(c.NotLanded) > 0 {
		wanted += " because of " + strings.Join(c.NotLanded, ", ") + ", which must not land"
	}
	return verdict, fmt.Sprintf("the control was to end in %s, but %s; it ended in %s: %s", wanted, c.Wrong, c.Judged, reason)
}

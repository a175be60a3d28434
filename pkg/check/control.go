package check

import (
	"fmt"
	"slices"
	"strings"
)

// control is how a known-bad scenario must end.
type control struct {
	endsIn   Verdict
	violated []string
}

// assess compares the verdict by the invariants with what the control was to end in. intact says that the record is
// complete: a control that is inconclusive because the harness was killed proves nothing.
func (c *control) assess(judged Verdict, results []Result, intact bool) *Control {
	asExpected := intact && judged == c.endsIn && judged != Pass
	for _, name := range c.violated {
		asExpected = asExpected && slices.ContainsFunc(results, func(r Result) bool {
			return r.Invariant == name && r.Verdict == Violation
		})
	}
	return &Control{Expected: c.endsIn, Invariants: c.violated, Judged: judged, AsExpected: asExpected}
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
	return verdict, fmt.Sprintf("the control was to end in %s, but it ended in %s: %s", wanted, c.Judged, reason)
}

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// outcome is what an entry means for a CI job: green or red.
type outcome int

const (
	green   outcome = iota
	failing         // a violation
	erring          // inconclusive or error: nobody may take it for green
)

// entry is one line of a report: an invariant, a fault, the control, or the run itself.
type entry struct {
	group   string // invariants, faults or run
	name    string
	outcome outcome
	verdict string // for people: "violation (expected)"
	reason  string
	result  *check.Result  // of an invariant
	fault   *check.Landed  // of a fault
	control *check.Control // of the control
}

// judge returns all entries of a verdict. At least one of them explains a verdict that is not a pass.
func judge(verdict check.RunVerdict) []entry {
	var entries []entry
	for i := range verdict.Results {
		entries = append(entries, judgeInvariant(&verdict.Results[i], verdict.Control))
	}
	for i := range verdict.Faults {
		entries = append(entries, judgeFault(&verdict.Faults[i], verdict.Control))
	}
	if verdict.Control != nil {
		entries = append(entries, judgeControl(verdict))
	}
	overall := outcomeOf(verdict.Verdict)
	if slices.ContainsFunc(entries, func(e entry) bool { return e.outcome == overall }) {
		return entries
	}
	return append(entries, entry{group: "run", name: "verdict", outcome: overall, verdict: string(verdict.Verdict),
		reason: clean(verdict.Reason)})
}

func outcomeOf(verdict check.Verdict) outcome {
	switch verdict {
	case check.Pass:
		return green
	case check.Violation:
		return failing
	default:
		return erring
	}
}

func judgeInvariant(result *check.Result, control *check.Control) entry {
	e := entry{
		group: "invariants", name: clean(result.Invariant), outcome: outcomeOf(result.Verdict),
		verdict: string(result.Verdict), reason: clean(result.Message), result: result,
	}
	if control == nil {
		return e
	}
	asked := control.Expected == check.Violation && slices.Contains(control.Invariants, result.Invariant)
	expected := asked && result.Verdict == check.Violation || control.Expected == check.Inconclusive && result.Verdict == check.Inconclusive
	switch {
	case expected:
		e.verdict += " (expected)"
		e.outcome = green
	case control.AsExpected:
		e.outcome = green
	case asked && result.Verdict == check.Pass:
		e.verdict += " (a violation was expected)"
		e.outcome = failing
	}
	return e
}

func judgeFault(fault *check.Landed, control *check.Control) entry {
	e := entry{group: "faults", name: clean(fault.Fault), verdict: "landed, recovered", reason: clean(fault.Reason), fault: fault}
	switch {
	case !fault.Landed:
		e.verdict, e.outcome = "did not land", erring
		if control != nil && control.AsExpected && control.Expected == check.Inconclusive {
			e.verdict, e.outcome = "did not land (expected)", green
		}
	case !fault.Recovered:
		e.verdict, e.outcome = "landed, not recovered", erring
	case fault.Lapsed:
		e.verdict, e.outcome = "landed, did not hold", erring
	}
	return e
}

func judgeControl(verdict check.RunVerdict) entry {
	control := verdict.Control
	expected := string(control.Expected)
	if len(control.Invariants) > 0 {
		expected += " of " + clean(strings.Join(control.Invariants, ", "))
	}
	e := entry{group: "run", name: "control", control: control}
	if control.AsExpected {
		e.verdict = "as expected"
		e.reason = fmt.Sprintf("it had to end in %s, and did", expected)
		return e
	}
	e.verdict = "not as expected"
	e.reason = fmt.Sprintf("it had to end in %s, but ended in %s", expected, control.Judged)
	e.outcome = max(outcomeOf(verdict.Verdict), failing)
	return e
}

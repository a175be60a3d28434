package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// Finding is a Result that is being put together.
//
// A function that looks for one reason among several to end a finding returns a *Result: nil if it found none.
type Finding struct {
	Result
	model *model.Model
}

// Ground is what a violation rests on.
type Ground int

const (
	// ByAbsence: something was not seen, or was not explained by anything that was seen. A record with holes cannot prove that.
	ByAbsence Ground = iota
	// ByTime: something came later than its bound, or had not come by then. Neither can a record with holes prove that, nor one of a
	// machine that was starved.
	ByTime
	// ByPresence: the events that are cited prove it, whatever else happened.
	ByPresence
)

// Window is the time in which something was to happen, and the bound.
type Window struct {
	From, To time.Time
	Least    time.Duration // how long it took at least
	Bound    time.Duration
	Kinds    []string // of objects that would have shown it; empty if processes show it
}

// NewFinding returns the finding of an invariant that is judged by a model. It ends with Held, Violated, Late, Proven, Within or
// Inconclusive, which return its Result.
func NewFinding(m *model.Model) *Finding { return &Finding{model: m} }

// Assume states something without which the invariant cannot be judged, and returns whether it is so.
func (f *Finding) Assume(held bool, what string, args ...any) bool {
	f.Assumptions = append(f.Assumptions, Assumption{What: fmt.Sprintf(what, args...), Held: held})
	return held
}

// Cite adds an event to the evidence and tells it in words.
func (f *Finding) Cite(at model.Moment, text string, args ...any) {
	if at.Never() {
		return
	}
	line := EvidenceLine{Seq: at.Seq, Offset: f.model.Offset(at), Text: fmt.Sprintf(text, args...)}
	if slices.Contains(f.Narrative, line) {
		return
	}
	f.Evidence = append(f.Evidence, at.Seq)
	f.Narrative = append(f.Narrative, line)
}

// Violated closes a finding with a violation that rests on something not being there. It is one only if everything assumed was so.
func (f *Finding) Violated(message string, args ...any) Result {
	if missing := f.unheld(); len(missing) > 0 {
		return f.close(Inconclusive, fmt.Sprintf(message, args...)+"; but that is not certain; not so: "+strings.Join(missing, "; "))
	}
	f.Ground = ByAbsence
	return f.close(Violation, fmt.Sprintf(message, args...))
}

// Late closes a finding with a violation of a bound in time.
func (f *Finding) Late(w Window, message string, args ...any) Result {
	if blind := f.model.Blind(w.From, w.To, w.Kinds...); len(blind) > 0 {
		for _, gap := range blind {
			f.Assume(false, "%ss were seen all the time (not for %s until %s: %s)", gap.Kind, wording.Duration(gap.Data.For),
				wording.Duration(f.model.Offset(gap.At)), gap.Data.Reason)
		}
	}
	r := f.Violated(message, args...)
	if r.Verdict == Violation {
		r.Ground, r.Window = ByTime, w
	}
	return r
}

// Proven closes a finding with a violation that the cited events prove, whatever else is not known.
func (f *Finding) Proven(message string, args ...any) Result {
	f.Ground = ByPresence
	return f.close(Violation, fmt.Sprintf(message, args...))
}

// Inconclusive closes a finding that allows no judgement.
func (f *Finding) Inconclusive(message string, args ...any) Result {
	return f.close(Inconclusive, fmt.Sprintf(message, args...))
}

// Within closes a finding by how long something took: a pass if it was certainly within the bound, a violation if it was certainly
// not, else inconclusive.
func (f *Finding) Within(took model.Lapse, w Window, pass, late string) Result {
	f.Measured = took.String()
	w.Least = took.Least
	switch {
	case took.Most <= w.Bound:
		return f.Held("%s", pass)
	case took.Least > w.Bound:
		return f.Late(w, "%s", late)
	default:
		return f.Inconclusive("it took %s, the bound is %s: nothing was seen at the time when it was decided", took, wording.Duration(w.Bound))
	}
}

// Held closes a finding without a violation: a pass only if everything assumed was so.
func (f *Finding) Held(message string, args ...any) Result {
	if missing := f.unheld(); len(missing) > 0 {
		return f.close(Inconclusive, "no violation was seen, but it cannot be excluded; not so: "+strings.Join(missing, "; "))
	}
	return f.close(Pass, fmt.Sprintf(message, args...))
}

func (f *Finding) unheld() []string {
	var missing []string
	for _, assumption := range f.Assumptions {
		if !assumption.Held {
			missing = append(missing, assumption.What)
		}
	}
	return missing
}

func (f *Finding) close(verdict Verdict, message string) Result {
	f.Verdict, f.Message = verdict, message
	slices.Sort(f.Evidence)
	f.Evidence = slices.Compact(f.Evidence)
	slices.SortStableFunc(f.Narrative, func(a, b EvidenceLine) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Seq, b.Seq))
	})
	return f.Result
}

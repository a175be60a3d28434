package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// finding is a Result that is being put together.
type finding struct {
	Result
	model *Model
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

func (m *Model) finding() *finding { return &finding{model: m} }

// assume states something without which the invariant cannot be judged, and returns whether it is so.
func (f *finding) assume(held bool, what string, args ...any) bool {
	f.Assumptions = append(f.Assumptions, Assumption{What: fmt.Sprintf(what, args...), Held: held})
	return held
}

// cite adds an event to the evidence and tells it in words.
func (f *finding) cite(at Moment, text string, args ...any) {
	if at.Never() {
		return
	}
	line := EvidenceLine{Seq: at.Seq, Offset: f.model.offset(at), Text: fmt.Sprintf(text, args...)}
	if slices.Contains(f.Narrative, line) {
		return
	}
	f.Evidence = append(f.Evidence, at.Seq)
	f.Narrative = append(f.Narrative, line)
}

// violated closes a finding with a violation that rests on something not being there. It is one only if everything assumed was so.
func (f *finding) violated(message string, args ...any) Result {
	if missing := f.unheld(); len(missing) > 0 {
		return f.close(Inconclusive, fmt.Sprintf(message, args...)+"; but that is not certain; not so: "+strings.Join(missing, "; "))
	}
	f.Ground = ByAbsence
	return f.close(Violation, fmt.Sprintf(message, args...))
}

// late closes a finding with a violation of a bound in time.
func (f *finding) late(w Window, message string, args ...any) Result {
	if blind := f.model.blind(w.From, w.To, w.Kinds...); len(blind) > 0 {
		for _, gap := range blind {
			f.assume(false, "%ss were seen all the time (not for %s until %s: %s)", gap.Kind, wording.Duration(gap.Data.For), wording.Duration(f.model.offset(gap.At)), gap.Data.Reason)
		}
	}
	r := f.violated(message, args...)
	if r.Verdict == Violation {
		r.Ground, r.Window = ByTime, w
	}
	return r
}

// proven closes a finding with a violation that the cited events prove, whatever else is not known.
func (f *finding) proven(message string, args ...any) Result {
	f.Ground = ByPresence
	return f.close(Violation, fmt.Sprintf(message, args...))
}

func (f *finding) inconclusive(message string, args ...any) Result {
	return f.close(Inconclusive, fmt.Sprintf(message, args...))
}

// within closes a finding by how long something took: a pass if it was certainly within the bound, a violation if it was certainly
// not, else inconclusive.
func (f *finding) within(took lapse, w Window, pass, late string) Result {
	f.Measured = took.String()
	w.Least = took.least
	switch {
	case took.most <= w.Bound:
		return f.held("%s", pass)
	case took.least > w.Bound:
		return f.late(w, "%s", late)
	default:
		return f.inconclusive("it took %s, the bound is %s: nothing was seen at the time when it was decided", took, wording.Duration(w.Bound))
	}
}

// held closes a finding without a violation: a pass only if everything assumed was so.
func (f *finding) held(message string, args ...any) Result {
	if missing := f.unheld(); len(missing) > 0 {
		return f.close(Inconclusive, "no violation was seen, but it cannot be excluded; not so: "+strings.Join(missing, "; "))
	}
	return f.close(Pass, fmt.Sprintf(message, args...))
}

func (f *finding) unheld() []string {
	var missing []string
	for _, assumption := range f.Assumptions {
		if !assumption.Held {
			missing = append(missing, assumption.What)
		}
	}
	return missing
}

func (f *finding) close(verdict Verdict, message string) Result {
	f.Verdict, f.Message = verdict, message
	slices.Sort(f.Evidence)
	f.Evidence = slices.Compact(f.Evidence)
	slices.SortStableFunc(f.Narrative, func(a, b EvidenceLine) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Seq, b.Seq))
	})
	return f.Result
}

package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// finding is a Result that is being put together.
type finding struct {
	Result
	model *Model
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

func (f *finding) violated(message string, args ...any) Result {
	return f.close(Violation, fmt.Sprintf(message, args...))
}

func (f *finding) inconclusive(message string, args ...any) Result {
	return f.close(Inconclusive, fmt.Sprintf(message, args...))
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

// tell writes a duration for people: milliseconds below ten seconds, else tenths.
func tell(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// count writes a number of things: 1 name, 2 names.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

package model

import (
	"slices"
	"time"
)

// beat is how often a process gives a sign of life. One sign covers the time up to the next one.
const beat = 100 * time.Millisecond

// StillAlive is the longest silence of a process that is no pause.
const StillAlive = time.Second

// Span is a time in which a process was alive, from one of its records to another.
type Span struct {
	From, To Moment
}

// Spans are the times in which a process gave signs of life: sorted, disjoint, further apart than stillAlive. Their number
// grows with the pauses of the process, not with its records, and does not depend on the order in which the records
// came: those from a node's disk come after those by HTTP.
type Spans []Span

// Add notes a sign of life.
func (s *Spans) Add(m Moment) {
	all := *s
	i := all.after(m.At)
	joinsLeft := i > 0 && !m.At.After(all[i-1].To.At.Add(StillAlive))
	joinsRight := i < len(all) && !all[i].From.At.After(m.At.Add(StillAlive))
	switch {
	case joinsLeft && joinsRight:
		all[i-1].To = all[i].To
		*s = slices.Delete(all, i, i+1)
	case joinsLeft:
		if m.At.After(all[i-1].To.At) {
			all[i-1].To = m
		}
	case joinsRight:
		all[i].From = m
	default:
		*s = slices.Insert(all, i, Span{m, m})
	}
}

// after returns the index of the first span that begins after t. Nearly every record is the newest one.
func (s Spans) after(t time.Time) int {
	if n := len(s); n == 0 || !s[n-1].From.At.After(t) {
		return n
	}
	i, _ := slices.BinarySearchFunc(s, t, func(have Span, t time.Time) int {
		if have.From.At.After(t) {
			return 1
		}
		return -1
	})
	return i
}

// Last returns the last sign of life, the zero Moment if there was none.
func (s Spans) Last() Moment {
	if len(s) == 0 {
		return Moment{}
	}
	return s[len(s)-1].To
}

// First returns the first sign of life, the zero Moment if there was none.
func (s Spans) First() Moment {
	if len(s) == 0 {
		return Moment{}
	}
	return s[0].From
}

// Covers reports whether the process was alive at a time.
func (s Spans) Covers(t time.Time) bool {
	i := s.after(t)
	return i > 0 && !s[i-1].To.At.Before(t)
}

// Shift returns the spans made longer, or shorter, by a time at both ends; those that vanish are left out.
func (s Spans) Shift(by time.Duration) Spans {
	var all Spans
	for _, one := range s {
		one.From.At, one.To.At = one.From.At.Add(-by), one.To.At.Add(by)
		if one.To.At.After(one.From.At) {
			all = append(all, one)
		}
	}
	return all
}

// Overlap is a time in which two processes were alive.
type Overlap struct {
	Both       [2]Span // of the two processes
	start, end time.Time
}

// Length returns how long both were alive.
func (o Overlap) Length() time.Duration { return o.end.Sub(o.start) }

// Overlaps returns the times in which both processes were alive. A touch without length is none.
func Overlaps(a, b Spans) []Overlap {
	var all []Overlap
	for _, x := range a {
		for _, y := range b {
			o := Overlap{Both: [2]Span{x, y}, start: Later(x.From, y.From).At, end: Earlier(x.To, y.To).At}
			if o.end.After(o.start) {
				all = append(all, o)
			}
		}
	}
	return all
}

// Covered returns how long at least one of the overlaps lasted.
func Covered(all []Overlap) time.Duration {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b Overlap) int { return a.start.Compare(b.start) })
	var total time.Duration
	var until time.Time
	for _, o := range sorted {
		start := o.start
		if start.Before(until) {
			start = until
		}
		if o.end.After(start) {
			total += o.end.Sub(start)
			until = o.end
		}
	}
	return total
}

// Later returns the later of two moments.
func Later(a, b Moment) Moment {
	if b.At.After(a.At) {
		return b
	}
	return a
}

// Earlier returns the earlier of two moments.
func Earlier(a, b Moment) Moment {
	if b.At.Before(a.At) {
		return b
	}
	return a
}

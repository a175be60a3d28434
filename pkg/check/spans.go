package check

import (
	"slices"
	"time"
)

// beat is how often a process gives a sign of life. One sign covers the time up to the next one.
const beat = 100 * time.Millisecond

// stillAlive is the longest silence of a process that is no pause.
const stillAlive = time.Second

// span is a time in which a process was alive, from one of its records to another.
type span struct {
	from, to Moment
}

// spans are the times in which a process gave signs of life: sorted, disjoint, further apart than stillAlive. Their number
// grows with the pauses of the process, not with its records, and does not depend on the order in which the records
// came: those from a node's disk come after those by HTTP.
type spans []span

// add notes a sign of life.
func (s *spans) add(m Moment) {
	all := *s
	i := all.after(m.At)
	joinsLeft := i > 0 && !m.At.After(all[i-1].to.At.Add(stillAlive))
	joinsRight := i < len(all) && !all[i].from.At.After(m.At.Add(stillAlive))
	switch {
	case joinsLeft && joinsRight:
		all[i-1].to = all[i].to
		*s = slices.Delete(all, i, i+1)
	case joinsLeft:
		if m.At.After(all[i-1].to.At) {
			all[i-1].to = m
		}
	case joinsRight:
		all[i].from = m
	default:
		*s = slices.Insert(all, i, span{m, m})
	}
}

// after returns the index of the first span that begins after t. Nearly every record is the newest one.
func (s spans) after(t time.Time) int {
	if n := len(s); n == 0 || !s[n-1].from.At.After(t) {
		return n
	}
	i, _ := slices.BinarySearchFunc(s, t, func(have span, t time.Time) int {
		if have.from.At.After(t) {
			return 1
		}
		return -1
	})
	return i
}

// last returns the last sign of life, the zero Moment if there was none.
func (s spans) last() Moment {
	if len(s) == 0 {
		return Moment{}
	}
	return s[len(s)-1].to
}

// first returns the first sign of life, the zero Moment if there was none.
func (s spans) first() Moment {
	if len(s) == 0 {
		return Moment{}
	}
	return s[0].from
}

// covers reports whether the process was alive at a time.
func (s spans) covers(t time.Time) bool {
	i := s.after(t)
	return i > 0 && !s[i-1].to.At.Before(t)
}

// shift returns the spans made longer, or shorter, by a time at both ends; those that vanish are left out.
func (s spans) shift(by time.Duration) spans {
	var all spans
	for _, one := range s {
		one.from.At, one.to.At = one.from.At.Add(-by), one.to.At.Add(by)
		if one.to.At.After(one.from.At) {
			all = append(all, one)
		}
	}
	return all
}

// overlap is a time in which two processes were alive.
type overlap struct {
	both       [2]span // of the two processes
	start, end time.Time
}

func (o overlap) length() time.Duration { return o.end.Sub(o.start) }

// overlaps returns the times in which both processes were alive. A touch without length is none.
func overlaps(a, b spans) []overlap {
	var all []overlap
	for _, x := range a {
		for _, y := range b {
			o := overlap{both: [2]span{x, y}, start: later(x.from, y.from).At, end: earlier(x.to, y.to).At}
			if o.end.After(o.start) {
				all = append(all, o)
			}
		}
	}
	return all
}

// covered returns how long at least one of the overlaps lasted.
func covered(all []overlap) time.Duration {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b overlap) int { return a.start.Compare(b.start) })
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

func later(a, b Moment) Moment {
	if b.At.After(a.At) {
		return b
	}
	return a
}

func earlier(a, b Moment) Moment {
	if b.At.Before(a.At) {
		return b
	}
	return a
}

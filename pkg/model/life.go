package model

import (
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Life returns the times in which a process lived for certain: from each sign of life up to the next expected one. A pause is part of a
// life unless a fault explains it that makes processes stand still: a JVM that stops for its garbage, or is starved of CPU, lives.
func (m *Model) Life(p *Process) Spans {
	return m.life(p, func(from, to Moment) Spans {
		if m.paused(p, from.At, to.At) || m.mayBePaused(p, from.At, to.At) {
			return nil
		}
		return Spans{{From: from, To: to}}
	})
}

// life joins the signs of life of a process with what it lived of the pauses between them.
func (m *Model) life(p *Process, lived func(from, to Moment) Spans) Spans {
	var all Spans
	for _, one := range p.Alive {
		if len(all) > 0 {
			for _, part := range lived(all[len(all)-1].To, one.From) {
				all.join(part)
			}
		}
		all.join(one)
	}
	for i := range all {
		all[i].To.At = all[i].To.At.Add(beat)
	}
	return all
}

// unpaused returns the parts of a pause between two signs of life that no fault explains: a fault that lasted a second explains one of
// them. What is left of the pause counts only if it is longer than a silence that means nothing, for it is not known exactly when
// processes stood still.
func (m *Model) unpaused(p *Process, from, to Moment) Spans {
	left := Spans{{From: from, To: to}}
	for _, f := range m.Faults {
		if !m.holds(f, p, pauses) {
			continue
		}
		thawed := Moment{Seq: f.Recovered.Seq, At: f.Until()}
		var parts Spans
		for _, one := range left {
			parts = append(parts, Span{From: one.From, To: Earlier(one.To, f.Began)}, Span{From: Later(one.From, thawed), To: one.To})
		}
		left = slices.DeleteFunc(parts, func(s Span) bool { return s.To.At.Sub(s.From.At) <= StillAlive })
	}
	return left
}

// holds reports whether a fault that landed does one of some things to a process as long as it lasts.
func (m *Model) holds(f *Fault, p *Process, effects ...history.Effect) bool {
	return !f.Landed.Never() && slices.ContainsFunc(effects, f.does) && f.Hits(p.PodUID, p.Node)
}

// join adds a span after the last one, or makes that one longer if they touch.
func (s *Spans) join(next Span) {
	if last := len(*s) - 1; last >= 0 && !next.From.At.After((*s)[last].To.At) {
		(*s)[last].To = next.To
		return
	}
	*s = append(*s, next)
}

// paused reports whether a fault made a process stand still in a time between two of its signs of life.
func (m *Model) paused(p *Process, from, to time.Time) bool {
	return m.held(p, from, to, pauses)
}

// mayBePaused reports whether a process may have stood still because of a fault of which nobody knows: one that does not say what it
// does, or one that was injected and not proven to have landed.
func (m *Model) mayBePaused(p *Process, from, to time.Time) bool {
	return slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		unproven := f.Landed.Never() && !f.Injecting.Never()
		if !f.mayDo(pauses) || !f.Hits(p.PodUID, p.Node) || !unproven && len(f.effects()) > 0 {
			return false
		}
		began := f.Began
		if unproven {
			began = f.Injecting
		}
		return !began.Never() && began.At.Before(to) && f.Until().After(from)
	})
}

// held reports whether a fault with one of the effects was in effect on a process at any time between two.
func (m *Model) held(p *Process, from, to time.Time, effects ...history.Effect) bool {
	return slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		return m.holds(f, p, effects...) && f.Began.At.Before(to) && f.Until().After(from)
	})
}

// PossibleLife returns the times in which an incarnation may have lived. Its container's start belongs to it: the application's main runs
// before Spark, and with it the witness, has started. So does what is left of a pause beside the fault in it.
func (m *Model) PossibleLife(i *Incarnation) Spans {
	all := m.life(i.Driver, func(from, to Moment) Spans { return m.unpaused(i.Driver, from, to) })
	if i.Pod == nil || i.Pod.Running.Never() || len(all) == 0 {
		return all
	}
	if gone := i.Pod.Gone(); m.outlives(gone, i.Driver) {
		all[len(all)-1].To = gone
	}
	started := Moment{Seq: i.Pod.Running.Seq, At: i.Pod.Running.Earliest()}
	if placed := i.Pod.Placed; started.At.After(all[0].From.At) && !placed.Never() {
		// It was seen to run only after its first record, and its container may have started as much earlier as times of objects are exact.
		started.At = Later(Moment{At: started.At.Add(-resolution)}, Moment{At: placed.Earliest()}).At
	}
	if started.At.Before(all[0].From.At) {
		all[0].From = started
	}
	return all
}

// outlives reports whether a pod ran on for long after the last sign of life of its JVM, and ended at gone: the application's main may
// have gone on without Spark, or only its heartbeats had stopped. Where a fault ended the JVM, or hid the node, the API server does not
// know.
func (m *Model) outlives(gone Moment, p *Process) bool {
	last := p.Alive.Last()
	if gone.Never() || gone.Earliest().Sub(last.At) <= toldLate+m.Slack(p) {
		return false
	}
	return !slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		hit := !f.Landed.Never() && f.SilencesNode() && f.Hits(p.PodUID, p.Node)
		return hit && !f.Began.At.After(gone.At) && f.Until().After(last.At.Add(-StillAlive))
	})
}

// toldLate is how long after the end of a container the API server may report it where nothing is wrong.
const toldLate = 5 * time.Second

// ReadUntil returns until when the records of a process can be known: its node's disk was read, or the witness closed.
func (m *Model) ReadUntil(p *Process) time.Time {
	until := m.Horizon().At
	if collect := m.phases[phaseCollect]; !collect.Never() && collect.At.Before(until) {
		until = collect.At
	}
	if c := m.Collected[p.Node]; c != nil && len(c.Data.Errors) == 0 {
		read := c.At.At.Add(-c.Data.Took)
		if c.Data.Took == 0 {
			read = read.Add(-unknownTook)
		}
		// Records by HTTP may be younger than the reading of the disk.
		until = Later(Moment{At: read}, Moment{At: p.Alive.Last().At}).At
		if until.After(c.At.At) {
			until = c.At.At
		}
	}
	return until
}

// unknownTook is how long the reading of a disk may have taken where the history does not say it.
const unknownTook = 2 * time.Second

// Silence returns a process's last sign of life, or Never if it may have lived when its records were read: the silence of one that a fault
// makes stand still means nothing.
func (m *Model) Silence(p *Process) Moment {
	last := p.Alive.Last()
	read := Moment{At: m.ReadUntil(p)}
	if read.At.Sub(last.At) <= StillAlive+m.Slack(p) || len(m.unpaused(p, last, read)) == 0 {
		return Moment{}
	}
	return last
}

// Frozen reports whether a fault made a process stand still when its records were read.
func (m *Model) Frozen(p *Process) bool {
	read := m.ReadUntil(p)
	return m.paused(p, read.Add(-StillAlive), read)
}

// knownToItsEnd reports whether all records of a process are known even if its node's disk gave fewer: they have no holes, and the last of
// them reports its orderly end, or was written when a fault ended it.
func (m *Model) knownToItsEnd(uid string, w *writer) bool {
	p := m.Processes[uid]
	if p == nil || w.numbers.missing() > 0 || len(p.Alive) == 0 {
		return false
	}
	last := p.Alive.Last()
	return slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		ended := !f.Landed.Never() && f.does(endsProcesses) && f.Hits(p.PodUID, p.Node)
		return ended && last.At.Sub(f.Began.At).Abs() <= StillAlive && !last.At.After(f.Landed.At.Add(StillAlive))
	}) || p.ended && last.At.Sub(p.Stopping.At) <= StillAlive
}

// Silent returns the longest time in which a JVM of the application stood still within a time although no fault held or slowed it, and
// which one. A time from which records are missing was none.
func (m *Model) Silent(from, to time.Time) (time.Duration, *Process) {
	var longest time.Duration
	var who *Process
	for _, uid := range slices.Sorted(maps.Keys(m.Processes)) {
		p := m.Processes[uid]
		missing, _ := m.MissingRecords(uid)
		for i := 1; i < len(p.Alive); i++ {
			begin, end := p.Alive[i-1].To.At, p.Alive[i].From.At
			lost := time.Duration(missing)*beat >= end.Sub(begin)/2 // half of the signs of life that would be there
			if begin.Before(from) || end.After(to) || lost || m.held(p, begin, end, pauses, slows) {
				continue
			}
			if end.Sub(begin) > longest {
				longest, who = end.Sub(begin), p
			}
		}
	}
	return longest, who
}

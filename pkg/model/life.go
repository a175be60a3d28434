package model

import (
	"maps"
	"slices"
	"time"
)

// Life returns the times in which a process lived: from each sign of life up to the next expected one. A pause is part of a life
// unless a fault explains it that makes processes stand still: a JVM that stops for its garbage, or is starved of CPU, lives.
func (m *Model) Life(p *Process) Spans {
	var all Spans
	for _, one := range p.Alive {
		last := len(all) - 1
		if last >= 0 && !m.paused(p, all[last].To.At, one.From.At) {
			all[last].To = one.To
			continue
		}
		all = append(all, one)
	}
	for i := range all {
		all[i].To.At = all[i].To.At.Add(beat)
	}
	return all
}

// paused reports whether a fault made a process stand still in a time between two of its signs of life.
func (m *Model) paused(p *Process, from, to time.Time) bool {
	return slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		return !f.Landed.Never() && f.does(pauses) && f.Hits(p.PodUID, p.Node) && f.Began.At.Before(to) && f.Until().After(from)
	})
}

// PossibleLife returns the times in which an incarnation may have lived. Its container's start belongs to it: the application's main runs
// before Spark, and with it the witness, has started.
func (m *Model) PossibleLife(i *Incarnation) Spans {
	all := m.Life(i.Driver)
	if i.Pod != nil && !i.Pod.Running.Never() && len(all) > 0 && i.Pod.Running.At.Before(all[0].From.At) {
		all[0].From = i.Pod.Running
	}
	return all
}

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

// Silence returns a process's last sign of life, or Never if it may have lived when its records were read.
func (m *Model) Silence(p *Process) Moment {
	last := p.Alive.Last()
	if m.ReadUntil(p).Sub(last.At) <= StillAlive+m.Slack(p) {
		return Moment{}
	}
	return last
}

// knownToItsEnd reports whether all records of a process are known even if its node's disk gave fewer: they have no holes, and the last of
// them tells of its orderly end, or was written when a fault ended it.
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

// Silent returns the longest time in which a JVM of the application stood still within a time although no fault held it, and which one.
func (m *Model) Silent(from, to time.Time) (time.Duration, *Process) {
	var longest time.Duration
	var who *Process
	for _, uid := range slices.Sorted(maps.Keys(m.Processes)) {
		p := m.Processes[uid]
		for i := 1; i < len(p.Alive); i++ {
			begin, end := p.Alive[i-1].To.At, p.Alive[i].From.At
			if begin.Before(from) || end.After(to) || m.paused(p, begin, end) {
				continue
			}
			if end.Sub(begin) > longest {
				longest, who = end.Sub(begin), p
			}
		}
	}
	return longest, who
}

package model

import (
	"slices"
	"time"
)

// This file has the three rules for "which pod is the driver". Each serves a purpose of its own; callers choose the rule by name:
//
//	Live         anchors           a step may hit: there is a driver that works
//	Current(at)  the judgement     whom a fault that began at a time cost the application
//	Placed       targets           what a fault can hit when no driver is live: one that still initialises
//
// They share this: a pod that is being deleted, has ended or is gone is no driver any more, and of several the newest one counts.

// Live returns the newest incarnation whose pod is Running now, by the API server's last word, and that nobody wants away; nil if there
// is none. A driver that initialises has no executors and runs no stages, so what is anchored at a running driver waits for it.
func (all Incarnations) Live() *Incarnation {
	return all.newest(func(p *Pod) bool { return p.Phase == "Running" && !p.leaves() })
}

// Placed returns the newest incarnation that is on a node and that nobody wants away, whether it runs or still initialises; nil if there
// is none. A fault can hit a driver from then on: init containers fetch its artifacts.
func (all Incarnations) Placed() *Incarnation {
	return all.newest(func(p *Pod) bool { return !p.Placed.Never() && !p.leaves() })
}

// Current returns the incarnation that Kubernetes counted on at a time: the newest that had run by then and that nobody wanted away yet;
// if there was none, the newest that was on a node, where it initialised; nil if there was none of these either. It looks back, so it
// depends on when things happened and not on the last word of the API server.
func (all Incarnations) Current(at time.Time) *Incarnation {
	by := func(since func(*Pod) Moment) *Incarnation {
		return all.newest(func(p *Pod) bool {
			return !since(p).Never() && !since(p).At.After(at) && p.Wanted(at)
		})
	}
	if ran := by(func(p *Pod) Moment { return p.Running }); ran != nil {
		return ran
	}
	return by(func(p *Pod) Moment { return p.Placed })
}

// newest returns the newest incarnation with a pod that is as wanted; nil if there is none.
func (all Incarnations) newest(as func(*Pod) bool) *Incarnation {
	for _, incarnation := range slices.Backward(all) {
		if incarnation.Pod != nil && as(incarnation.Pod) {
			return incarnation
		}
	}
	return nil
}

// Wanted reports whether a pod had not ended before a time and nobody had wanted it away. What ended just then a fault that began then
// may have ended, as EndedSince has it.
func (p *Pod) Wanted(at time.Time) bool {
	gone := p.Gone()
	return (gone.Never() || !gone.At.Before(at)) && (p.Terminating.Never() || !p.Terminating.At.Before(at))
}

// MayHaveBeenLeaving reports whether a pod that was wanted at a time, as far as was seen, may have ended by then or somebody may have
// wanted it away: the events that show it came late.
func (p *Pod) MayHaveBeenLeaving(at time.Time) bool {
	return slices.ContainsFunc([]Moment{p.Terminating, p.Finished, p.Deleted}, func(m Moment) bool {
		return m.At.After(at) && m.MayPrecede(at)
	})
}

// MayPrecede reports whether something may have happened before a fault that began at a time, and not because of it. Kubernetes rounds
// times down to whole seconds, so what a fault ended at once bears the second in which the fault began: that second alone is no reason
// for doubt.
func (m Moment) MayPrecede(began time.Time) bool {
	return !m.Never() && !m.Earliest().After(began.Add(-stampPrecision))
}

// stampPrecision is the precision of the times in Kubernetes objects.
const stampPrecision = time.Second

// leaves reports whether a pod has ended, or somebody wants it away.
func (p *Pod) leaves() bool { return !p.Gone().Never() || !p.Terminating.Never() }

// Runs reports whether a pod runs and nobody wants it away, as far as the API server tells.
func (p *Pod) Runs() bool { return !p.Running.Never() && !p.leaves() }

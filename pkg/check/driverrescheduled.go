package check

import (
	"cmp"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func driverRescheduled() Definition {
	return Definition{
		Name:     "driverRescheduled",
		Doc:      "After a fault struck the driver, a new incarnation runs on another node within the bound, counted from the moment at which the fault began to act; Pending is not rescheduled.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceFault),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return checkerFunc(func(m *Model) Result { return checkRescheduled(m, within) })
		},
	}
}

// checkRescheduled returns the first violation, else the worst of what the faults that struck the driver led to.
func checkRescheduled(m *Model, within time.Duration) Result {
	incarnations := m.Incarnations()
	blows := m.blows(incarnations)
	f := m.finding()
	f.Bound = tell(within)
	if !f.assume(len(blows) > 0, "a fault that landed struck the live driver") {
		return f.inconclusive("no fault that landed struck the live driver, so there was nothing to reschedule")
	}
	var slowest time.Duration
	var undecided *blow
	for _, b := range blows {
		r := rescheduled(incarnations, b)
		if r == nil {
			if waited := m.seenUntil("Pod").At.Sub(b.fault.Began.At); waited <= within {
				undecided = &b
				continue
			}
			return notRescheduled(m, incarnations, b, within)
		}
		took := r.Pod.Running.At.Sub(b.fault.Began.At)
		if took > within {
			return rescheduledLate(m, b, r, within)
		}
		slowest = max(slowest, took)
		f.cite(b.fault.Began, "fault %s struck %s on %s", b.fault.Name, b.victim, b.victim.Node)
		f.cite(r.Pod.Running, "%s runs on %s", r, r.Node)
	}
	if undecided != nil {
		f.cite(m.seenUntil("Pod"), "the record of pods ends")
		return f.inconclusive("the record of pods ends %s after fault %s, before the bound, and no new incarnation ran yet",
			tell(m.seenUntil("Pod").At.Sub(undecided.fault.Began.At)), undecided.fault.Name)
	}
	f.Measured = tell(slowest)
	return f.held("a new incarnation of the driver ran %s after the fault", tell(slowest))
}

// rescheduled returns the first incarnation after the victim that ran, on another node if the node was struck.
func rescheduled(incarnations []*Incarnation, b blow) *Incarnation {
	for _, next := range incarnations[b.victim.Number:] {
		elsewhere := b.fault.node() == "" || next.Node != b.victim.Node
		if next.Pod != nil && !next.Pod.Running.Never() && elsewhere {
			return next
		}
	}
	return nil
}

func rescheduledLate(m *Model, b blow, next *Incarnation, within time.Duration) Result {
	f := m.finding()
	took := next.Pod.Running.At.Sub(b.fault.Began.At)
	f.Bound, f.Measured = tell(within), tell(took)
	f.cite(b.fault.Began, "fault %s struck %s on %s", b.fault.Name, b.victim, b.victim.Node)
	f.cite(next.Pod.Running, "%s runs on %s, only now", next, next.Node)
	return f.violated("the new incarnation of the driver ran %s after fault %s, later than %s", tell(took), b.fault.Name, tell(within))
}

func notRescheduled(m *Model, incarnations []*Incarnation, b blow, within time.Duration) Result {
	f := m.finding()
	end := m.end()
	f.Bound, f.Measured = tell(within), "never"
	f.cite(b.fault.Began, "fault %s struck %s on %s", b.fault.Name, b.victim, b.victim.Node)
	next := successor(incarnations, b.victim)
	if next == nil || next.Pod == nil {
		f.cite(end, "the record ends; the driver has no other pod than %s", b.victim.Name)
		return f.violated("no new incarnation of the driver was created in %s after fault %s", tell(end.At.Sub(b.fault.Began.At)), b.fault.Name)
	}
	f.cite(next.Pod.Added, "%s was created", next)
	where := cmp.Or(next.Pod.Phase, "in no phase") + " on " + cmp.Or(next.Node, "no node")
	placed := next.Pod.Placed
	if unplaced := m.unplaced[next.UID]; unplaced.Message != "" && (placed.Never() || placed.At.Sub(b.fault.Began.At) > within) {
		f.Measured = "Pending"
		f.cite(unplaced.At, "the scheduler finds no node for it: %s", unplaced.Message)
		if !placed.Never() { // by now, for the node that was lost is back
			f.cite(placed, "%s is put on %s, only now", next, next.Node)
			where = "on " + next.Node + " now and was Pending until " + tell(placed.At.Sub(b.fault.Began.At)) + " after the fault"
		}
		where += ": " + unplaced.Message
	}
	f.cite(end, "the record ends; pod %s is %s", next.Name, where)
	return f.violated("%s after fault %s the new incarnation %s does not run on another node: it is %s",
		tell(end.At.Sub(b.fault.Began.At)), b.fault.Name, next.Name, where)
}

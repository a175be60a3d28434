package check

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func driverRescheduled() Definition {
	return Definition{
		Name:     "driverRescheduled",
		Doc:      "After a fault cost the application its driver, a new incarnation runs on another node within the bound, counted from the moment at which the fault began to act; a Pending pod does not count.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceFault),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return checkerFunc(func(m *Model) Result { return checkRescheduled(m, within) })
		},
	}
}

// checkRescheduled returns the first violation, else the worst of what the faults that cost the driver led to.
func checkRescheduled(m *Model, within time.Duration) Result {
	incarnations := m.Incarnations()
	blows := m.blows(incarnations)
	f := m.finding()
	f.Bound = wording.Duration(within)
	if !f.assume(len(blows) > 0, "a fault that landed cost the application its live driver") {
		return f.inconclusive("no fault that landed cost the application its live driver, so there was nothing to reschedule")
	}
	var slowest lapse
	var undecided *Result
	for _, b := range blows {
		next := rescheduled(incarnations, b)
		if next == nil {
			r := notRescheduled(m, incarnations, b, within)
			if r.Verdict == Violation {
				return r
			}
			undecided = &r
			continue
		}
		took := m.lapse(b.fault.Began, next.Pod.Running)
		if took.most > within {
			r := rescheduledLate(m, b, next, took, within)
			if r.Verdict == Violation {
				return r
			}
			undecided = &r
			continue
		}
		if r := crashed(m, b, next); r != nil {
			undecided = r
			continue
		}
		if took.most > slowest.most {
			slowest = took
		}
		f.cite(b.fault.Began, "fault %s hits %s on %s", b.fault.Name, b.victim, b.victim.Node)
		f.cite(next.Pod.Running, "%s runs on %s", next, next.Node)
	}
	if undecided != nil {
		return *undecided
	}
	f.Measured = slowest.String()
	return f.held("a new incarnation of the driver ran %s after the fault", slowest)
}

// rescheduled returns the first incarnation after the victim that ran, on another node if the node was hit.
func rescheduled(incarnations []*Incarnation, b blow) *Incarnation {
	for _, next := range incarnations[b.victim.Number:] {
		elsewhere := b.fault.node() == "" || next.Node != b.victim.Node
		if next.Pod != nil && !next.Pod.Running.Never() && elsewhere {
			return next
		}
	}
	return nil
}

// crashed returns an inconclusive result if the new incarnation ended at once without Spark having started in it: its container ran, but
// that is no driver.
func crashed(m *Model, b blow, next *Incarnation) *Result {
	gone := next.Pod.Gone()
	started := next.Driver != nil && len(next.Driver.Alive) > 0
	if gone.Never() || started || next.Pod.Succeeded && gone.At.Sub(next.Pod.Running.At) > stillAlive {
		return nil
	}
	f := m.finding()
	f.cite(b.fault.Began, "fault %s hits %s on %s", b.fault.Name, b.victim, b.victim.Node)
	f.cite(next.Pod.Running, "%s runs on %s", next, next.Node)
	f.cite(gone, "%s has ended", next)
	r := f.inconclusive("%s ran for %s and ended; Spark never reported from it, so nothing shows that it was a driver", next, wording.Duration(gone.At.Sub(next.Pod.Running.At)))
	return &r
}

func rescheduledLate(m *Model, b blow, next *Incarnation, took lapse, within time.Duration) Result {
	f := m.finding()
	f.Bound = wording.Duration(within)
	f.cite(b.fault.Began, "fault %s hits %s on %s", b.fault.Name, b.victim, b.victim.Node)
	f.cite(next.Pod.Running, "%s runs on %s, only now", next, next.Node)
	w := Window{From: b.fault.Began.At, To: next.Pod.Running.At, Bound: within}
	return f.within(took, w, "", fmt.Sprintf("the new incarnation of the driver ran %s after fault %s, later than %s", took, b.fault.Name, wording.Duration(within)))
}

// notRescheduled judges that no new incarnation ran: a violation if none can come any more, or the bound is over.
func notRescheduled(m *Model, incarnations []*Incarnation, b blow, within time.Duration) Result {
	f := m.finding()
	end := m.seenUntil("Pod")
	waited := end.At.Sub(b.fault.Began.At)
	f.Bound, f.Measured = wording.Duration(within), "never"
	f.cite(b.fault.Began, "fault %s hits %s on %s", b.fault.Name, b.victim, b.victim.Node)
	if job := m.Job(); !job.Failed.Never() && job.Complete.Never() {
		f.cite(job.Failed, "the driver's Job has failed for good: %s", job.Reason)
		return f.proven("no new incarnation of the driver came after fault %s, and none will: its Job failed %s after the fault (%s)",
			b.fault.Name, wording.Duration(job.Failed.At.Sub(b.fault.Began.At)), job.Reason)
	}
	if gone := b.victim.Pod.ended(b.fault.Began.At); m.Workload.DriverKind != "Job" && b.victim.Pod.Owner.UID == "" && !gone.Never() {
		f.cite(gone, "pod %s, which nothing would make anew, is marked for deletion or has ended", b.victim.Name)
		return f.violated("no new incarnation of the driver came after fault %s, and none will: %s was a bare pod", b.fault.Name, b.victim.Name)
	}
	if waited <= within {
		f.Measured = ""
		f.cite(end, "the record of pods ends")
		return f.inconclusive("the record of pods ends %s after fault %s, before the bound, and no new incarnation ran yet", wording.Duration(waited), b.fault.Name)
	}
	w := Window{From: b.fault.Began.At, To: end.At, Least: waited, Bound: within, Kinds: []string{"Pod"}}
	next := successor(incarnations, b.victim)
	if next == nil || next.Pod == nil {
		f.cite(end, "the record ends; the driver has no other pod than %s", b.victim.Name)
		return f.late(w, "no new incarnation of the driver was created in %s after fault %s", wording.Duration(waited), b.fault.Name)
	}
	f.cite(next.Pod.Added, "%s was created", next)
	where := cmp.Or(next.Pod.Phase, "in no phase") + " on " + cmp.Or(next.Node, "no node")
	placed := next.Pod.Placed
	if unplaced := m.Unplaced(next.UID); unplaced.Message != "" && (placed.Never() || placed.At.Sub(b.fault.Began.At) > within) {
		f.Measured = "Pending"
		f.cite(unplaced.At, "the scheduler finds no node for it: %s", unplaced.Message)
		if !placed.Never() { // by now, for the node that was lost is back
			f.cite(placed, "%s is put on %s, only now", next, next.Node)
			where = "on " + next.Node + " now and was Pending until " + wording.Duration(placed.At.Sub(b.fault.Began.At)) + " after the fault"
		}
		where += ": " + unplaced.Message
	}
	f.cite(end, "the record ends; pod %s is %s", next.Name, where)
	return f.late(w, "%s after fault %s the new incarnation %s does not run on another node: it is %s",
		wording.Duration(waited), b.fault.Name, next.Name, where)
}

package check

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func driverRescheduled() Definition {
	return Definition{
		Name: "driverRescheduled",
		Doc: "After a fault cost the application its driver, a new incarnation runs on another node within the bound, counted from when the " +
			"fault took effect. A Pending pod does not count. Of an application that is watched without faults: after it lost its driver, a " +
			"new incarnation runs within the bound, counted from when Kubernetes shows the loss.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceFault),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return CheckerFunc(func(m *model.Model) Result {
				if watched(m) {
					return checkRescheduledUnaided(m, within)
				}
				return checkRescheduled(m, within)
			})
		},
	}
}

// checkRescheduled returns the first violation, else the worst of what the faults that cost the driver led to.
func checkRescheduled(m *model.Model, within time.Duration) Result {
	incarnations := m.Incarnations()
	blows := m.DriverLosses(incarnations)
	f := NewFinding(m)
	f.Bound = wording.Duration(within)
	if !f.Assume(len(blows) > 0, "a fault that landed cost the application its live driver") {
		return f.Inconclusive("no fault that landed cost the application its live driver, so there was nothing to reschedule")
	}
	f.assumeInService(blows)
	var slowest model.Lapse
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
		took := m.Lapse(b.Fault.Began, next.Pod.Running)
		if took.Most > within {
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
		if took.Most > slowest.Most {
			slowest = took
		}
		if next.Pod.Added.Before(b.Fault.Began) {
			f.Assume(false, "%s was created because of fault %s (it was there before)", next, b.Fault.Name)
		}
		f.Cite(b.Fault.Began, "fault %s hits %s on %s", b.Fault.Name, b.Driver, b.Driver.Node)
		f.Cite(next.Pod.Running, "%s runs on %s", next, next.Node)
	}
	if undecided != nil {
		return *undecided
	}
	f.Measured = slowest.String()
	return f.Held("a new incarnation of the driver ran %s after the fault", slowest)
}

// rescheduled returns the first incarnation after the victim that ran, on another node if the node was hit.
func rescheduled(incarnations model.Incarnations, b model.DriverLoss) *model.Incarnation {
	for _, next := range incarnations[b.Driver.Number:] {
		elsewhere := b.Fault.Node() == "" || next.Node != b.Driver.Node
		if next.Pod != nil && !next.Pod.Running.Never() && elsewhere {
			return next
		}
	}
	return nil
}

// crashed returns an inconclusive result if the new incarnation ended at once without Spark having started in it: its container ran, but
// that is no driver.
func crashed(m *model.Model, b model.DriverLoss, next *model.Incarnation) *Result {
	gone := next.Pod.Gone()
	started := next.Driver != nil && len(next.Driver.Alive) > 0
	if gone.Never() || started || next.Pod.Succeeded && gone.At.Sub(next.Pod.Running.At) > model.StillAlive {
		return nil
	}
	f := NewFinding(m)
	f.Cite(b.Fault.Began, "fault %s hits %s on %s", b.Fault.Name, b.Driver, b.Driver.Node)
	f.Cite(next.Pod.Running, "%s runs on %s", next, next.Node)
	f.Cite(gone, "%s has ended", next)
	r := f.Inconclusive("%s ran for %s and ended; Spark never reported from it, so nothing shows that it was a driver", next,
		wording.Duration(gone.At.Sub(next.Pod.Running.At)))
	return &r
}

func rescheduledLate(m *model.Model, b model.DriverLoss, next *model.Incarnation, took model.Lapse, within time.Duration) Result {
	return ranLate(m, b.Fault.Began, fmt.Sprintf("fault %s hits %s on %s", b.Fault.Name, b.Driver, b.Driver.Node), next, took, within,
		"fault "+b.Fault.Name)
}

// ranLate judges that a new incarnation ran later than within after a loss. lost cites the loss, after names it.
func ranLate(
	m *model.Model, from model.Moment, lost string, next *model.Incarnation, took model.Lapse, within time.Duration, after string,
) Result {
	f := NewFinding(m)
	f.Bound = wording.Duration(within)
	f.Cite(from, "%s", lost)
	f.Cite(next.Pod.Running, "%s runs on %s, only now", next, next.Node)
	w := Window{From: from.At, To: next.Pod.Running.At, Bound: within}
	// One that ran and was gone again in a gap would not be known.
	f.assumeUnbroken(w, "Pod")
	return f.Within(took, w, "", fmt.Sprintf("the new incarnation of the driver ran %s after %s, later than %s", took, after,
		wording.Duration(within)))
}

// notRescheduled judges that no new incarnation ran: a violation if none can come any more, or the bound is over.
func notRescheduled(m *model.Model, incarnations model.Incarnations, b model.DriverLoss, within time.Duration) Result {
	f := NewFinding(m)
	end := m.SeenUntil("Pod")
	waited := end.At.Sub(b.Fault.Began.At)
	f.Bound, f.Measured = wording.Duration(within), "never"
	f.Cite(b.Fault.Began, "fault %s hits %s on %s", b.Fault.Name, b.Driver, b.Driver.Node)
	if job := m.Job(); !job.Failed.Never() && job.Complete.Never() {
		f.Cite(job.Failed, "the driver's %s has failed for good: %s", m.Workload.DriverKind, job.Reason)
		return f.Proven("no new incarnation of the driver came after fault %s, and none will: its %s failed %s after the fault (%s)",
			b.Fault.Name, m.Workload.DriverKind, wording.Duration(job.Failed.At.Sub(b.Fault.Began.At)), job.Reason)
	}
	if gone := b.Driver.Pod.EndedSince(b.Fault.Began.At); !m.Kept() && b.Driver.Pod.Owner.UID == "" && !gone.Never() {
		f.Cite(gone, "pod %s, which nothing would recreate, is marked for deletion or has ended", b.Driver.Name)
		return f.Violated("no new incarnation of the driver came after fault %s, and none will: %s was a bare pod", b.Fault.Name, b.Driver.Name)
	}
	if waited <= within {
		f.Measured = ""
		f.Cite(end, "the record of pods ends")
		return f.Inconclusive("the record of pods ends %s after fault %s, before the bound, and no new incarnation ran yet",
			wording.Duration(waited), b.Fault.Name)
	}
	w := Window{From: b.Fault.Began.At, To: end.At, Least: waited, Bound: within, Kinds: []string{"Pod"}}
	next := incarnations.After(b.Driver)
	if next == nil || next.Pod == nil {
		f.Cite(end, "the record ends; the driver has no other pod than %s", b.Driver.Name)
		return f.Late(w, "no new incarnation of the driver was created in %s after fault %s", wording.Duration(waited), b.Fault.Name)
	}
	f.Cite(next.Pod.Added, "%s was created", next)
	where := cmp.Or(next.Pod.Phase, "in no phase") + " on " + cmp.Or(next.Node, "no node")
	placed := next.Pod.Placed
	if unplaced := m.Unplaced(next.UID); unplaced.Message != "" && (placed.Never() || placed.At.Sub(b.Fault.Began.At) > within) {
		f.Measured = "Pending"
		f.Cite(unplaced.At, "the scheduler finds no node for it: %s", unplaced.Message)
		if !placed.Never() { // by now, for the node that was lost is back
			f.Cite(placed, "%s is put on %s, only now", next, next.Node)
			where = "on " + next.Node + " now and was Pending until " + wording.Duration(placed.At.Sub(b.Fault.Began.At)) + " after the fault"
		}
		where += ": " + unplaced.Message
	}
	f.Cite(end, "the record ends; pod %s is %s", next.Name, where)
	return f.Late(w, "%s after fault %s the new incarnation %s does not run on another node: it is %s",
		wording.Duration(waited), b.Fault.Name, next.Name, where)
}

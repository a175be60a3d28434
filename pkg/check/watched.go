package check

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// watched reports whether a history is of an application that somebody else starts, without faults: it is judged by what befalls it anyway.
func watched(m *model.Model) bool {
	p, err := readPlan(m.Run)
	return err == nil && p.watched
}

// driverEnd is an incarnation that ended, or that somebody wanted away, before the application had ended.
type driverEnd struct {
	driver *model.Incarnation
	at     model.Moment
}

// String cites it.
func (e driverEnd) String() string {
	return fmt.Sprintf("%s on %s is marked for deletion or has ended", e.driver, e.driver.Node)
}

// driverEnds returns the incarnations that were lost, whatever cost them. Those that ended well are none.
func driverEnds(m *model.Model, all model.Incarnations) []driverEnd {
	well, _, _ := completed(m)
	var ends []driverEnd
	for _, incarnation := range all {
		pod := incarnation.Pod
		if pod == nil {
			continue
		}
		at := pod.EndedSince(time.Time{})
		ended := pod.Succeeded && (pod.Terminating.Never() || !pod.Terminating.Before(pod.Finished))
		if at.Never() || ended || !well.Never() && well.Before(at) {
			continue
		}
		ends = append(ends, driverEnd{incarnation, at})
	}
	return ends
}

// checkRescheduledUnaided is checkRescheduled for an application that is watched: each driver that is lost has a successor within the
// bound, counted from when the API server shows that it is.
func checkRescheduledUnaided(m *model.Model, within time.Duration) Result {
	f := NewFinding(m)
	f.Bound = wording.Duration(within)
	incarnations := m.Incarnations()
	ends := driverEnds(m, incarnations)
	if !f.Assume(len(ends) > 0, "the application lost a driver while it was watched") {
		return f.Inconclusive("no driver was lost while the application was watched, so there was nothing to reschedule")
	}
	var slowest model.Lapse
	var undecided *Result
	for _, end := range ends {
		next := successor(incarnations, end.driver)
		if next == nil {
			r := withoutSuccessor(m, end, within)
			if r.Verdict == Violation {
				return r
			}
			undecided = &r
			continue
		}
		took := m.Lapse(end.at, next.Pod.Running)
		if took.Most > within {
			r := ranLate(m, end.at, end.String(), next, took, within, end.driver.String()+" was lost")
			if r.Verdict == Violation {
				return r
			}
			undecided = &r
			continue
		}
		if took.Most > slowest.Most {
			slowest = took
		}
		f.Cite(end.at, "%s", end)
		f.Cite(next.Pod.Running, "%s runs on %s", next, next.Node)
	}
	if undecided != nil {
		return *undecided
	}
	f.Measured = slowest.String()
	return f.Held("%s lost while the application was watched; a new incarnation ran %s later at the latest",
		wording.Count(len(ends), "driver"), slowest)
}

// successor returns the first incarnation after one that ran.
func successor(all model.Incarnations, lost *model.Incarnation) *model.Incarnation {
	for _, next := range all[lost.Number:] {
		if next.Pod != nil && !next.Pod.Running.Never() {
			return next
		}
	}
	return nil
}

// withoutSuccessor judges that no incarnation ran after one that was lost.
func withoutSuccessor(m *model.Model, end driverEnd, within time.Duration) Result {
	f := NewFinding(m)
	f.Bound, f.Measured = wording.Duration(within), "never"
	f.Cite(end.at, "%s", end)
	job := m.Job()
	if !job.Deleted.Never() {
		f.Cite(job.Deleted, "somebody deletes the driver's %s", m.Workload.DriverKind)
		return f.Inconclusive("%s was lost, and somebody deleted its %s: nothing is to replace it", end.driver, m.Workload.DriverKind)
	}
	if !job.Failed.Never() && job.Complete.Never() {
		f.Cite(job.Failed, "the driver's %s has failed for good: %s", m.Workload.DriverKind, job.Reason)
		return f.Proven("no new incarnation of the driver came after %s was lost, and none will: its %s failed (%s)", end.driver,
			m.Workload.DriverKind, job.Reason)
	}
	until := m.SeenUntil("Pod")
	waited := until.At.Sub(end.at.At)
	if waited <= within {
		f.Measured = ""
		f.Cite(until, "the record of pods ends")
		return f.Inconclusive("the record of pods ends %s after %s was lost, before the bound, and no new incarnation ran yet",
			wording.Duration(waited), end.driver)
	}
	f.Cite(until, "the record ends, and no other driver ran")
	w := Window{From: end.at.At, To: until.At, Least: waited, Bound: within, Kinds: []string{"Pod"}}
	return f.Late(w, "no new incarnation of the driver ran in %s after %s was lost", wording.Duration(waited), end.driver)
}

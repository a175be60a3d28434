package check

import (
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func executorsKept() Definition {
	return Definition{
		Name: "executorsKept",
		Doc: "A driver that replaced another one keeps the executors that no fault hit: none is removed because an executor of the other " +
			"driver ended, or because the other driver deleted it, as happens if drivers share an application ID.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkKept) },
	}
}

func checkKept(m *model.Model) Result {
	f := NewFinding(m)
	incarnations := m.Incarnations()
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	f.AssumeDrivers(incarnations)
	f.AssumeDisks(m.NodesOf(incarnations), "that a driver ran on")
	kept := 0
	var own *keepable
	for i, incarnation := range incarnations {
		if i == 0 || incarnation.Driver == nil {
			continue
		}
		executors := healthy(m, incarnation)
		for _, e := range executors {
			if e.lost.Never() {
				kept++
				f.Cite(e.At, "%s registers executor %s", incarnation, e.ID)
				continue
			}
			if r := f.takenBy(incarnations, incarnation, e); r != nil {
				return *r
			}
			own = &e
		}
		if len(executors) > 0 {
			f.Cite(incarnation.Driver.Alive.Last(), "%s gives its last sign of life", incarnation)
		}
	}
	if own != nil {
		f.Cite(own.lost, "executor %s is lost", own.ID)
		if own.beside != "" {
			return f.Inconclusive("executor %s was lost beside fault %s, which need not have cost it; nothing shows that another incarnation had "+
				"to do with it", own.ID, own.beside)
		}
		return f.Inconclusive("executor %s was lost, which no fault hit; nothing shows that another incarnation had to do with it", own.ID)
	}
	if !f.Assume(kept > 0, "a driver that replaced another one had executors that no fault hit") {
		return f.Inconclusive("no driver that replaced another one had executors that no fault hit, so none could be taken from it")
	}
	f.Measured = wording.Count(kept, "executor") + " kept"
	return f.Held("%s that no fault hit stayed with their driver", wording.Count(kept, "executor"))
}

// keepable is an executor that a driver registered and that no fault hit.
type keepable struct {
	*model.Registered
	pod    *model.Pod
	lost   model.Moment // Never if it stayed
	beside string       // a fault that hit it or its driver before, and need not have cost it
}

// healthy returns the executors that a driver registered and that no fault cost it. What it removed as it ended itself, or after a fault
// hit it that takes drivers away, it was not deprived of: those count as never lost.
func healthy(m *model.Model, incarnation *model.Incarnation) []keepable {
	pods := map[string]*model.Pod{}
	for _, pod := range m.Executors(incarnation) {
		pods[pod.ExecutorID] = pod
	}
	ends := outOfService(m, incarnation)
	var all []keepable
	for _, registered := range incarnation.Driver.Registrations() {
		pod := pods[registered.ID]
		if registered.At.Never() || pod == nil {
			continue
		}
		e := keepable{Registered: registered, pod: pod, lost: registered.Removed}
		if e.lost.Never() { // a driver that loses all at once may end before it removes any
			e.lost = taken(pod, incarnation.Driver.Alive.Last())
		}
		if e.lost.Never() && !pod.Succeeded && pod.Finished.Before(incarnation.Driver.Alive.Last()) { // and the driver did not notice
			e.lost = pod.Finished
		}
		var explained bool
		if explained, e.beside = struck(m, incarnation, pod, e.lost); explained {
			continue
		}
		if !ends.Never() && !e.lost.Before(ends) {
			e.lost = model.Moment{}
		}
		all = append(all, e)
	}
	return all
}

// outOfService is when a driver began to end by itself or was hit by a fault that takes drivers away; Never if it was neither.
func outOfService(m *model.Model, incarnation *model.Incarnation) model.Moment {
	ends := incarnation.Driver.Stopping
	for _, fault := range m.Landed() {
		if fault.Takes() && fault.Hits(incarnation.UID, incarnation.Node) && fault.Began.At.After(incarnation.Created()) &&
			fault.Until().After(incarnation.Created()) {
			ends.KeepEarlier(fault.Began)
		}
	}
	return ends
}

// taken returns when somebody took a pod away from a driver that gave its last sign of life at a moment: it was marked for deletion, or its
// object was gone without that, as one that is deleted without any grace is.
func taken(pod *model.Pod, last model.Moment) model.Moment {
	switch {
	case !pod.Terminating.Never():
		return pod.Terminating
	case pod.Finished.Never() && pod.Deleted.Before(last):
		return pod.Deleted
	default:
		return model.Moment{}
	}
}

// struck reports whether a fault explains that a driver lost an executor, and names one that may explain it: it hit the executor but
// takes nothing away, or had been undone, or it hit the driver. An executor that stayed counts only if no fault hit it.
func struck(m *model.Model, driver *model.Incarnation, pod *model.Pod, lost model.Moment) (explained bool, beside string) {
	for _, fault := range m.Landed() {
		if !lost.Never() && !fault.Began.At.Before(lost.At) {
			continue
		}
		hit := fault.Hits(pod.UID, pod.Node) && fault.Until().After(pod.Added.At)
		if hit && (lost.Never() || fault.Takes() && !lost.At.After(fault.Until().Add(promptly))) {
			return true, ""
		}
		if hit || fault.Hits(driver.UID, driver.Node) && fault.Until().After(driver.Created()) {
			beside = fault.Name
		}
	}
	return false, beside
}

// takenBy returns a result if an earlier incarnation had to do with the loss of an executor: one of its executors with the same id ended
// or was deleted before, or it was alive when somebody deleted the pod.
func (f *Finding) takenBy(incarnations model.Incarnations, driver *model.Incarnation, e keepable) *Result {
	m := f.model
	v := NewFinding(m)
	v.Assumptions = slices.Clone(f.Assumptions)
	v.Measured = "executor " + e.ID + " lost"
	v.Cite(e.At, "%s registers executor %s", driver, e.ID)
	v.Cite(e.Removed, "%s removes executor %s, which no fault hit", driver, e.ID)
	why := ""
	for _, earlier := range incarnations[:driver.Number-1] {
		for _, old := range m.Executors(earlier) {
			ended := old.EndedSince(e.At.At)
			if old.ExecutorID != e.ID || old.Application != e.pod.Application || ended.Never() || !ended.Before(e.lost) {
				continue
			}
			v.Cite(ended, "pod %s, executor %s of %s with the application id %s, ends or is marked for deletion", old.Name, old.ExecutorID,
				earlier, old.Application)
			why = "; the end of pod " + old.Name + ", executor " + e.ID + " of an earlier incarnation, came before"
		}
		deleted := taken(e.pod, driver.Driver.Alive.Last())
		if why == "" && !deleted.Never() && aliveBefore(earlier, m, deleted) && (e.Removed.Never() || deleted.Before(e.Removed)) {
			v.Cite(earlier.Driver.Alive.Last(), "%s, which was alive then, gives its last sign of life", earlier)
			why = "; its pod was deleted while " + earlier.String() + " was alive"
		}
	}
	if why == "" {
		return nil
	}
	v.Cite(e.pod.Terminating, "pod %s of %s is marked for deletion", e.pod.Name, driver)
	v.Cite(e.pod.Deleted, "pod %s of %s is gone", e.pod.Name, driver)
	if e.beside != "" {
		v.Assume(false, "no fault that hit the executor or its driver may have cost it (%s may)", e.beside)
	}
	r := v.Violated("%s lost executor %s, which no fault hit%s", driver, e.ID, why)
	return &r
}

// aliveBefore reports whether the driver was alive when a moment came, or promptly before: what it asked for is seen a little later.
func aliveBefore(i *model.Incarnation, m *model.Model, at model.Moment) bool {
	return i.Driver != nil && slices.ContainsFunc(m.Life(i.Driver), func(s model.Span) bool {
		return !s.From.At.After(at.At) && !s.To.At.Add(promptly).Before(at.At)
	})
}

package check

import (
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/wording"
)

func executorsKept() Definition {
	return Definition{
		Name: "executorsKept",
		Doc: "A driver that replaced another one keeps the executors that no fault hit: none is removed because an executor of the other one ended, or because the other driver deleted it, " +
			"as happens to drivers that share an application id.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return checkerFunc(checkKept) },
	}
}

func checkKept(m *Model) Result {
	f := m.finding()
	incarnations := m.Incarnations()
	f.assume(m.seen("Pod"), "no change of a pod was missed")
	f.assumeDrivers(incarnations)
	f.assumeDisks(m.nodesOf(incarnations), "that a driver ran on")
	kept := 0
	var own *keepable
	for i, incarnation := range incarnations {
		if i == 0 || incarnation.Driver == nil {
			continue
		}
		executors := m.healthy(incarnation)
		for _, e := range executors {
			if e.lost.Never() {
				kept++
				f.cite(e.At, "%s registers executor %s", incarnation, e.ID)
				continue
			}
			if r := f.taken(incarnations, incarnation, e); r != nil {
				return *r
			}
			own = &e
		}
		if len(executors) > 0 {
			f.cite(incarnation.Driver.Alive.last(), "%s gives its last sign of life", incarnation)
		}
	}
	if own != nil {
		f.cite(own.lost, "executor %s is lost", own.ID)
		return f.inconclusive("executor %s was lost, which no fault hit; nothing shows that another incarnation had to do with it", own.ID)
	}
	if !f.assume(kept > 0, "a driver that replaced another one had executors that no fault hit") {
		return f.inconclusive("no driver that replaced another one had executors that no fault hit, so none could be taken from it")
	}
	f.Measured = wording.Count(kept, "executor") + " kept"
	return f.held("%s that no fault hit stayed with their driver", wording.Count(kept, "executor"))
}

// keepable is an executor that a driver registered and that no fault hit.
type keepable struct {
	*Registered
	pod  *Pod
	lost Moment // Never if it stayed
}

// healthy returns the executors that a driver registered and that no fault hit before they were lost. What it removed
// as it ended itself, or after a fault hit it, it was not deprived of: those count as never lost.
func (m *Model) healthy(incarnation *Incarnation) []keepable {
	pods := map[string]*Pod{}
	for _, pod := range m.executors(incarnation) {
		pods[pod.ExecutorID] = pod
	}
	ends := m.outOfService(incarnation)
	var all []keepable
	for _, registered := range incarnation.Driver.registrations() {
		pod := pods[registered.ID]
		if registered.At.Never() || pod == nil {
			continue
		}
		e := keepable{registered, pod, registered.Removed}
		if e.lost.Never() { // a driver that loses all at once may end before it removes any
			e.lost = pod.Terminating
		}
		if m.struck(pod, e.lost) {
			continue
		}
		if !ends.Never() && !e.lost.before(ends) {
			e.lost = Moment{}
		}
		all = append(all, e)
	}
	return all
}

// outOfService is when a driver began to end by itself or was hit by a fault; Never if it was neither.
func (m *Model) outOfService(incarnation *Incarnation) Moment {
	ends := incarnation.Driver.Stopping
	for _, fault := range m.landed() {
		if fault.hits(incarnation.UID, incarnation.Node) && fault.Began.At.After(incarnation.created()) && fault.until().After(incarnation.created()) {
			ends.first(fault.Began)
		}
	}
	return ends
}

// struck reports whether a fault was in effect on an executor between its pod's begin and its loss.
func (m *Model) struck(pod *Pod, lost Moment) bool {
	return slices.ContainsFunc(m.Faults, func(fault *Fault) bool {
		began := !fault.Landed.Never() && (lost.Never() || fault.Began.At.Before(lost.At))
		return began && fault.hits(pod.UID, pod.Node) && fault.until().After(pod.Added.At)
	})
}

// taken returns a result if an earlier incarnation had to do with the loss of an executor: one of its executors with the same id ended or was
// deleted before, or it was alive when somebody deleted the pod.
func (f *finding) taken(incarnations []*Incarnation, driver *Incarnation, e keepable) *Result {
	m := f.model
	v := m.finding()
	v.Assumptions = slices.Clone(f.Assumptions)
	v.Measured = "executor " + e.ID + " lost"
	v.cite(e.At, "%s registers executor %s", driver, e.ID)
	v.cite(e.Removed, "%s removes executor %s, which no fault hit", driver, e.ID)
	why := ""
	for _, earlier := range incarnations[:driver.Number-1] {
		for _, old := range m.executors(earlier) {
			ended := old.ended(e.At.At)
			if old.ExecutorID != e.ID || old.Application != e.pod.Application || ended.Never() || !ended.before(e.lost) {
				continue
			}
			v.cite(ended, "pod %s, executor %s of %s with the application id %s, ends or is marked for deletion", old.Name, old.ExecutorID, earlier, old.Application)
			why = "; the end of pod " + old.Name + ", executor " + e.ID + " of an earlier incarnation, came before"
		}
		deleted := e.pod.Terminating
		if why == "" && !deleted.Never() && earlier.aliveBefore(m, deleted) && (e.Removed.Never() || deleted.before(e.Removed)) {
			v.cite(earlier.Driver.Alive.last(), "%s, which was alive then, gives its last sign of life", earlier)
			why = "; its pod was deleted while " + earlier.String() + " was alive"
		}
	}
	if why == "" {
		return nil
	}
	v.cite(e.pod.Terminating, "pod %s of %s is marked for deletion", e.pod.Name, driver)
	r := v.violated("%s lost executor %s, which no fault hit%s", driver, e.ID, why)
	return &r
}

// aliveBefore reports whether the driver was alive when a moment came, or promptly before: what it asked for is seen a little later.
func (i *Incarnation) aliveBefore(m *Model, at Moment) bool {
	return i.Driver != nil && slices.ContainsFunc(m.life(i.Driver), func(s span) bool {
		return !s.from.At.After(at.At) && !s.to.At.Add(promptly).Before(at.At)
	})
}

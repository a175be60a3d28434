package check

import "slices"

func executorsKept() Definition {
	return Definition{
		Name: "executorsKept",
		Doc: "A driver that replaced another one keeps the executors that no fault struck: none is removed because an executor of the other one ended, or because the other driver deleted it, " +
			"as happens to drivers that share an application id.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return checkerFunc(checkKept) },
	}
}

func checkKept(m *Model) Result {
	f := m.finding()
	incarnations := m.Incarnations()
	f.assume(m.seen("Pod"), "no change of a pod was missed")
	f.assumeDisksRead(incarnations)
	kept := 0
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
			return executorTaken(m, incarnations, incarnation, e)
		}
		if len(executors) > 0 {
			f.cite(incarnation.Driver.Alive.last(), "%s gives its last sign of life", incarnation)
		}
	}
	if !f.assume(kept > 0, "a driver that replaced another one had executors that no fault struck") {
		return f.inconclusive("no driver that replaced another one had executors that no fault struck, so none could be taken from it")
	}
	f.Measured = count(kept, "executor") + " kept"
	return f.held("%s that no fault struck stayed with their driver", count(kept, "executor"))
}

// keepable is an executor that a driver registered and that no fault struck.
type keepable struct {
	*Registered
	lost Moment // Never if it stayed
}

// healthy returns the executors that a driver registered and that no fault struck before they were lost. What it removed
// as it ended itself, or after a fault struck it, it was not deprived of: those count as never lost.
func (m *Model) healthy(incarnation *Incarnation) []keepable {
	pods := map[string]*Pod{}
	for _, pod := range m.executors(incarnation) {
		pods[pod.ExecutorID] = pod
	}
	ends := m.outOfService(incarnation)
	var all []keepable
	for _, registered := range sortedExecutors(incarnation.Driver) {
		pod := pods[registered.ID]
		if registered.At.Never() || pod == nil {
			continue
		}
		e := keepable{registered, registered.Removed}
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

// outOfService is when a driver began to end by itself or was struck by a fault; Never if it was neither.
func (m *Model) outOfService(incarnation *Incarnation) Moment {
	ends := incarnation.Driver.Stopping
	for _, fault := range m.landed() {
		if fault.hits(incarnation.UID, incarnation.Node) && fault.Began.At.After(incarnation.created()) {
			ends.first(fault.Began)
		}
	}
	return ends
}

// struck says whether a fault struck an executor between its pod's begin and its loss.
func (m *Model) struck(pod *Pod, lost Moment) bool {
	return slices.ContainsFunc(m.Faults, func(fault *Fault) bool {
		began := !fault.Landed.Never() && (lost.Never() || fault.Began.At.Before(lost.At))
		return began && fault.hits(pod.UID, pod.Node) && (fault.Recovered.Never() || fault.Recovered.At.After(pod.Added.At))
	})
}

func executorTaken(m *Model, incarnations []*Incarnation, driver *Incarnation, e keepable) Result {
	f := m.finding()
	f.Measured = "executor " + e.ID + " lost"
	f.cite(e.At, "%s registers executor %s", driver, e.ID)
	f.cite(e.Removed, "%s removes executor %s, which no fault struck", driver, e.ID)
	why := ""
	for _, earlier := range incarnations[:driver.Number-1] {
		for _, old := range m.executors(earlier) {
			if ended := old.ended(e.At.At); old.ExecutorID == e.ID && !ended.Never() && ended.before(e.lost) {
				f.cite(ended, "pod %s, executor %s of %s with the application id %s, ends or is marked for deletion", old.Name, old.ExecutorID, earlier, old.Application)
				why = "; the end of pod " + old.Name + ", executor " + e.ID + " of an earlier incarnation, came before"
			}
		}
	}
	for _, own := range m.executors(driver) {
		if own.ExecutorID == e.ID {
			f.cite(own.Terminating, "pod %s of %s is marked for deletion", own.Name, driver)
		}
	}
	return f.violated("%s lost executor %s, which no fault struck%s", driver, e.ID, why)
}

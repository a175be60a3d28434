package check

import (
	"cmp"
	"slices"
	"time"
)

// loss is an executor that a fault cost its driver, and what took its place.
type loss struct {
	fault       *Fault
	driver      *Incarnation
	pod         *Pod
	at          Moment      // when it was lost
	replacement *Registered // nil if none came
	asked       Moment      // when the replacement's pod was made
}

// losses returns the executors that faults cost the live driver, where a fault did not cost the driver itself, in the order of the
// faults and of the executors' names. Each is paired with the first executor that was asked for after it, each of those taken once.
func (m *Model) losses(incarnations []*Incarnation) []*loss {
	var all []*loss
	known := map[string]bool{}
	blows := m.blows(incarnations)
	for _, fault := range m.landed() {
		driver := current(incarnations, fault.Began.At)
		if driver == nil || slices.ContainsFunc(blows, func(b blow) bool { return b.fault == fault }) {
			continue
		}
		for _, found := range m.lostExecutors(driver, fault) {
			if !known[found.pod.UID] {
				known[found.pod.UID] = true
				all = append(all, found)
			}
		}
	}
	m.pair(all)
	return all
}

// lostExecutors returns the executors of a driver that a fault cost it, in the order of their names.
func (m *Model) lostExecutors(driver *Incarnation, fault *Fault) []*loss {
	var all []*loss
	for _, pod := range m.executors(driver) {
		if pod.Running.Never() || pod.Running.At.After(fault.Began.At) || !pod.wanted(fault.Began.At) {
			continue
		}
		at := m.cost(fault, pod, m.Processes[pod.UID], driver.stopping())
		if removed := m.removedBy(driver, fault, pod); !removed.Never() && (at.Never() || removed.before(at)) {
			at = removed
		}
		if at.Never() || m.costEarlier(driver, fault, pod, at) {
			continue
		}
		all = append(all, &loss{fault: fault, driver: driver, pod: pod, at: at})
	}
	slices.SortStableFunc(all, func(a, b *loss) int { return cmp.Compare(a.pod.Name, b.pod.Name) })
	return all
}

// stopping returns when the driver began to end by itself; Never if it did not.
func (i *Incarnation) stopping() Moment {
	if i.Driver == nil {
		return Moment{}
	}
	return i.Driver.Stopping
}

// removedBy returns when the driver removed an executor that a fault hit which makes executors fall silent; Never if it did not, or
// only as it ended itself.
func (m *Model) removedBy(driver *Incarnation, fault *Fault, pod *Pod) Moment {
	if driver.Driver == nil || !fault.hits(pod.UID, pod.Node) || fault.does(skews) || fault.does(marks) {
		return Moment{}
	}
	e := driver.Driver.Executors[pod.ExecutorID]
	if e == nil || e.Removed.Never() || e.Removed.At.Before(fault.Began.At) {
		return Moment{}
	}
	if fault.does(slows) && e.Removed.At.After(fault.until().Add(afterwards)) {
		return Moment{}
	}
	if stopping := driver.stopping(); !stopping.Never() && stopping.before(e.Removed) {
		return Moment{}
	}
	return e.Removed
}

// costEarlier reports whether another fault had cost an executor before one began, or began after it and before the loss: the last
// fault before a loss is to blame for it.
func (m *Model) costEarlier(driver *Incarnation, fault *Fault, pod *Pod, lost Moment) bool {
	return slices.ContainsFunc(m.landed(), func(other *Fault) bool {
		if other == fault || !other.hits(pod.UID, pod.Node) {
			return false
		}
		at := m.cost(other, pod, m.Processes[pod.UID], driver.stopping())
		if at.Never() {
			return false
		}
		return at.before(fault.Began) || fault.Began.before(other.Began) && !lost.before(other.Began)
	})
}

// pair gives each loss, in the order of time, the first executor that registered of those that were asked for after it.
func (m *Model) pair(all []*loss) {
	ordered := slices.Clone(all)
	slices.SortStableFunc(ordered, func(a, b *loss) int {
		return cmp.Or(a.at.At.Compare(b.at.At), cmp.Compare(a.pod.UID, b.pod.UID))
	})
	taken := map[*Registered]bool{}
	for _, l := range ordered {
		if l.driver.Driver == nil {
			continue
		}
		pods := map[string]*Pod{}
		for _, pod := range m.executors(l.driver) {
			pods[pod.ExecutorID] = pod
		}
		for _, e := range l.driver.Driver.registrations() {
			pod := pods[e.ID]
			asked := pod != nil && l.fault.Began.before(pod.Added) && pod.Added.At.After(l.at.At.Add(-stillAlive))
			if e.At.Never() || taken[e] || !asked || !l.fault.Began.before(e.At) {
				continue
			}
			taken[e], l.replacement, l.asked = true, e, pod.Added
			break
		}
	}
}

// together returns when as many executors as there are losses were registered at the same time, all of them replacements; Never if
// they never were.
func together(losses []*loss) Moment {
	var last Moment
	for _, l := range losses {
		if l.replacement == nil {
			return Moment{}
		}
		last.latest(l.replacement.At)
	}
	for _, l := range losses {
		if !l.replacement.present(last.At) {
			return Moment{}
		}
	}
	return last
}

// ofFault returns the losses that one fault caused.
func ofFault(all []*loss, fault *Fault) []*loss {
	return slices.DeleteFunc(slices.Clone(all), func(l *loss) bool { return l.fault != fault })
}

// nextFault returns when the next fault after one began to act on the same driver or its executors; the zero time if none did.
func (m *Model) nextFault(fault *Fault, driver *Incarnation) time.Time {
	for _, other := range m.landed() {
		if !fault.Began.before(other.Began) || other == fault {
			continue
		}
		hitsExecutor := slices.ContainsFunc(m.executors(driver), func(pod *Pod) bool { return other.hits(pod.UID, pod.Node) })
		if other.hits(driver.UID, driver.Node) || hitsExecutor {
			return other.Began.At
		}
	}
	return time.Time{}
}

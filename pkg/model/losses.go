package model

import (
	"cmp"
	"slices"
	"time"
)

// ExecutorLoss is an executor that a fault cost its driver, and what took its place.
type ExecutorLoss struct {
	Fault       *Fault
	Driver      *Incarnation
	Pod         *Pod
	At          Moment      // when it was lost
	Replacement *Registered // nil if none came
	Asked       Moment      // when the replacement's pod was made
	Unsure      bool        // the replacement may have been asked for before the fault: its pod was seen late
}

// ExecutorLosses returns the executors that faults cost the live driver, where a fault did not cost the driver itself, in the order of the
// faults and of the executors' names. Each is paired with the first executor that was asked for after it, each of those taken once.
func (m *Model) ExecutorLosses(incarnations Incarnations) []*ExecutorLoss {
	var all []*ExecutorLoss
	known := map[string]bool{}
	blows := m.DriverLosses(incarnations)
	for _, fault := range m.Landed() {
		driver := incarnations.Current(fault.Began.At)
		if driver == nil || slices.ContainsFunc(blows, func(b DriverLoss) bool {
			return b.Fault == fault || b.Driver == driver && b.At.At.Before(fault.Began.At) // whose executors nobody needs any more
		}) {
			continue
		}
		for _, found := range m.lostExecutors(driver, fault) {
			if !known[found.Pod.UID] {
				known[found.Pod.UID] = true
				all = append(all, found)
			}
		}
	}
	m.pair(all)
	return all
}

// lostExecutors returns the executors of a driver that a fault cost it, in the order of their names.
func (m *Model) lostExecutors(driver *Incarnation, fault *Fault) []*ExecutorLoss {
	var all []*ExecutorLoss
	for _, pod := range m.Executors(driver) {
		if pod.Running.Never() || pod.Running.At.After(fault.Began.At) || !pod.Wanted(fault.Began.At) {
			continue
		}
		at := m.Cost(fault, pod, m.Processes[pod.UID], driver.Stopping())
		if removed := m.removedBy(driver, fault, pod); !removed.Never() && (at.Never() || removed.Before(at)) {
			at = removed
		}
		if at.Never() || m.costEarlier(driver, fault, pod, at) {
			continue
		}
		all = append(all, &ExecutorLoss{Fault: fault, Driver: driver, Pod: pod, At: at})
	}
	slices.SortStableFunc(all, func(a, b *ExecutorLoss) int { return cmp.Compare(a.Pod.Name, b.Pod.Name) })
	return all
}

// Stopping returns when the driver began to end by itself; Never if it did not.
func (i *Incarnation) Stopping() Moment {
	if i.Driver == nil {
		return Moment{}
	}
	return i.Driver.Stopping
}

// removedBy returns when the driver removed an executor that a fault hit which makes executors fall silent; Never if it did not, or
// only as it ended itself.
func (m *Model) removedBy(driver *Incarnation, fault *Fault, pod *Pod) Moment {
	if driver.Driver == nil || !fault.Hits(pod.UID, pod.Node) || fault.does(skews) || fault.does(marks) {
		return Moment{}
	}
	e := driver.Driver.Executors[pod.ExecutorID]
	if e == nil || e.Removed.Never() || e.Removed.At.Before(fault.Began.At) {
		return Moment{}
	}
	if !m.mayStillCost(fault, pod, m.Processes[pod.UID], e.Removed) {
		return Moment{}
	}
	if stopping := driver.Stopping(); !stopping.Never() && stopping.Before(e.Removed) {
		return Moment{}
	}
	return e.Removed
}

// costEarlier reports whether another fault had cost an executor before one began, or began after it and before the loss: the last
// fault before a loss is to blame for it.
func (m *Model) costEarlier(driver *Incarnation, fault *Fault, pod *Pod, lost Moment) bool {
	return slices.ContainsFunc(m.Landed(), func(other *Fault) bool {
		if other == fault || !other.Hits(pod.UID, pod.Node) {
			return false
		}
		at := m.Cost(other, pod, m.Processes[pod.UID], driver.Stopping())
		if at.Never() {
			return false
		}
		return at.Before(fault.Began) || fault.Began.Before(other.Began) && !lost.Before(other.Began)
	})
}

// pair gives each loss, in the order of time, the first executor that registered of those that were asked for after it.
func (m *Model) pair(all []*ExecutorLoss) {
	ordered := slices.Clone(all)
	slices.SortStableFunc(ordered, func(a, b *ExecutorLoss) int {
		return cmp.Or(a.At.At.Compare(b.At.At), cmp.Compare(a.Pod.UID, b.Pod.UID))
	})
	taken := map[*Registered]bool{}
	for _, l := range ordered {
		if l.Driver.Driver == nil {
			continue
		}
		pods := map[string]*Pod{}
		for _, pod := range m.Executors(l.Driver) {
			pods[pod.ExecutorID] = pod
		}
		for _, e := range l.Driver.Driver.Registrations() {
			pod := pods[e.ID]
			since := Later(l.Fault.Began, Moment{At: l.At.At.Add(-StillAlive)}).At
			asked := pod != nil && l.Fault.Began.Before(pod.Added) && pod.Added.At.After(l.At.At.Add(-StillAlive))
			if taken[e] || !asked || !l.Fault.Began.Before(e.At) {
				continue
			}
			taken[e], l.Replacement, l.Asked, l.Unsure = true, e, pod.Added, pod.Added.Earliest().Before(since)
			break
		}
	}
}

// AllReplaced returns when as many executors as there are losses were registered at the same time, all of them replacements; Never if
// they never were.
func AllReplaced(losses []*ExecutorLoss) Moment {
	var last Moment
	for _, l := range losses {
		if l.Replacement == nil {
			return Moment{}
		}
		last.KeepLater(l.Replacement.At)
	}
	for _, l := range losses {
		if !l.Replacement.present(last.At) {
			return Moment{}
		}
	}
	return last
}

// OfFault returns the losses that one fault caused.
func OfFault(all []*ExecutorLoss, fault *Fault) []*ExecutorLoss {
	return slices.DeleteFunc(slices.Clone(all), func(l *ExecutorLoss) bool { return l.Fault != fault })
}

// Interference is what other faults did to the recovery from one.
type Interference struct {
	Cut       time.Time // when the next fault cost the application something, so that its recovery takes over; zero: none did
	Disturbed time.Time // when the next fault hit the same driver, its executors or a successor, and cost nothing; zero: none did
	By        *Fault    // that disturbed
}

// Interference returns what other faults did to the recovery from one that cost a driver, or executors of it alone.
func (m *Model) Interference(all Incarnations, fault *Fault, victim *Incarnation) Interference {
	var found Interference
	blows, losses := m.DriverLosses(all), m.ExecutorLosses(all)
	costsDriver := slices.ContainsFunc(blows, func(b DriverLoss) bool { return b.Fault == fault })
	concerns := func(i *Incarnation) bool { return i.Number > victim.Number || i == victim && !costsDriver }
	costs := map[*Fault]bool{}
	cut := func(at time.Time) {
		if found.Cut.IsZero() || at.Before(found.Cut) {
			found.Cut = at
		}
	}
	for _, b := range blows {
		costs[b.Fault] = true
		switch {
		case b.Fault == fault || !concerns(b.Driver):
		case fault.Began.Before(b.Fault.Began):
			cut(b.Fault.Began.At)
		default: // it had hit before, and the driver was lost only now
			cut(b.At.At)
		}
	}
	for _, l := range losses {
		costs[l.Fault] = true
		if l.Fault != fault && concerns(l.Driver) && fault.Began.Before(l.Fault.Began) {
			cut(l.Fault.Began.At)
		}
	}
	for _, other := range m.Landed() {
		if other == fault || costs[other] || !fault.Began.Before(other.Began) || !m.hitsAnyOf(other, all[victim.Number-1:]) {
			continue
		}
		found.Disturbed, found.By = other.Began.At, other
		break
	}
	return found
}

// hitsAnyOf reports whether a fault hit one of some incarnations or an executor of them.
func (m *Model) hitsAnyOf(fault *Fault, some Incarnations) bool {
	return slices.ContainsFunc(some, func(i *Incarnation) bool {
		return fault.Hits(i.UID, i.Node) || slices.ContainsFunc(m.Executors(i), func(pod *Pod) bool { return fault.Hits(pod.UID, pod.Node) })
	})
}

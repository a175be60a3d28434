package check

import (
	"fmt"
	"time"
)

// recovery returns the phases of the recovery from a fault that apply to it; none if it cost the application nothing.
func (m *Model) recovery(incarnations []*Incarnation, fault *Fault, bounds RecoveryArgs) []step {
	for _, b := range m.blows(incarnations) {
		if b.fault == fault {
			return m.cutShort(m.driverRecovery(incarnations, b, bounds), fault, b.victim, incarnations)
		}
	}
	lost := ofFault(m.losses(incarnations), fault)
	if len(lost) == 0 || lost[0].driver.Driver == nil {
		return nil
	}
	return m.cutShort(m.executorRecovery(lost, bounds), fault, lost[0].driver, incarnations)
}

// cutShort leaves out the phases that had not ended when the next fault hit the same driver, its executors or its successor: what did
// not come after that is for that fault's recovery to show.
func (m *Model) cutShort(steps []step, fault *Fault, victim *Incarnation, incarnations []*Incarnation) []step {
	next := m.nextFault(fault, victim)
	if successor := successor(incarnations, victim); successor != nil {
		if at := m.nextFault(fault, successor); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() {
		return steps
	}
	for i := range steps {
		s := &steps[i]
		cut := s.to.Never() || s.to.At.After(next)
		overdue := s.bound > 0 && !s.from.Never() && next.Sub(s.from.At) > s.bound
		s.cut = cut && !overdue
	}
	return steps
}

// sequence puts phases one after the other: each begins where the last one that was seen ended.
type sequence struct {
	steps []step
	at    Moment
	text  string // what at is
}

func (s *sequence) then(name string, to Moment, bound time.Duration, ends string) {
	s.steps = append(s.steps, step{name: name, from: s.at, to: to, bound: bound, begins: s.text, ends: ends})
	s.at, s.text = to, ends
}

func strikes(fault *Fault) sequence {
	return sequence{at: fault.Began, text: fmt.Sprintf("fault %s begins to act", fault.Name)}
}

// driverRecovery returns the phases after a fault that cost the driver.
func (m *Model) driverRecovery(incarnations []*Incarnation, b blow, bounds RecoveryArgs) []step {
	s := strikes(b.fault)
	if node := b.fault.node(); node != "" && b.fault.silencesNode() {
		s.then("detection", m.Nodes[node].lost(b.fault.Began.At), time.Duration(bounds.Detection), fmt.Sprintf("node %s is not Ready", node))
	}
	s.then("eviction", b.victim.Pod.ended(b.fault.Began.At), time.Duration(bounds.Eviction),
		fmt.Sprintf("driver pod %s is marked for deletion or has ended", b.victim.Name))
	var runs, started, progress Moment
	var driver *Process
	name := "of the new driver"
	if next := rescheduled(incarnations, b); next != nil {
		runs, driver, name = next.Pod.Running, next.Driver, next.Name
	}
	if driver != nil {
		started, progress = driver.Started, driver.FirstProgress
	}
	s.then("rescheduling", runs, time.Duration(bounds.Rescheduling), fmt.Sprintf("pod %s runs", name))
	s.then(phaseDriverStart, started, time.Duration(bounds.DriverStart), fmt.Sprintf("Spark has started in pod %s", name))
	begun := s
	if before := registeredBefore(b); before > 0 {
		s.then(phaseExecutorsBack, allRegistered(driver, before), time.Duration(bounds.ExecutorsBack),
			fmt.Sprintf("%d executors are registered with pod %s", before, name))
	}
	// Executors come one by one and work at once, so progress may come before all of them are back.
	s.at, s.text = begun.at, begun.text
	s.then(phaseFirstProgress, progress, time.Duration(bounds.FirstProgress), fmt.Sprintf("a first task or batch has ended in pod %s", name))
	return s.steps
}

func registeredBefore(b blow) int {
	if b.victim.Driver == nil {
		return 0
	}
	return b.victim.Driver.registered(b.fault.Began.At)
}

// allRegistered returns when n executors were first registered with a driver at the same time.
func allRegistered(driver *Process, n int) Moment {
	if driver == nil {
		return Moment{}
	}
	for _, e := range driver.registrations() {
		if !e.At.Never() && driver.registered(e.At.At) >= n {
			return e.At
		}
	}
	return Moment{}
}

// executorRecovery returns the phases after a fault that cost executors alone.
func (m *Model) executorRecovery(lost []*loss, bounds RecoveryArgs) []step {
	fault, driver := lost[0].fault, lost[0].driver.Driver
	since := fault.Began.At
	s := strikes(fault)
	if node := fault.node(); node != "" && fault.silencesNode() {
		s.then("detection", m.Nodes[node].lost(since), time.Duration(bounds.Detection), fmt.Sprintf("node %s is not Ready", node))
		s.then("eviction", firstEnded(lost, since), time.Duration(bounds.Eviction), fmt.Sprintf("executor pod %s is marked for deletion or has ended", lost[0].pod.Name))
	} else {
		s.then("detection", removed(driver, lost, since), time.Duration(bounds.Detection), "the driver removes the lost executor")
	}
	s.then(phaseExecutorsBack, together(lost), time.Duration(bounds.ExecutorsBack), fmt.Sprintf("%d executors have registered anew", len(lost)))
	s.then(phaseFirstProgress, firstTaskOfNew(lost), time.Duration(bounds.FirstProgress), "a new executor has ended its first task")
	return s.steps
}

func firstEnded(lost []*loss, since time.Time) Moment {
	var first Moment
	for _, l := range lost {
		if m := l.pod.ended(since); !m.Never() {
			first.first(m)
		}
	}
	return first
}

func removed(driver *Process, lost []*loss, since time.Time) Moment {
	var first Moment
	for _, l := range lost {
		e := driver.Executors[l.pod.ExecutorID]
		if e != nil && !e.Removed.Never() && !e.Removed.At.Before(since) {
			first.first(e.Removed)
		}
	}
	return first
}

func firstTaskOfNew(lost []*loss) Moment {
	var first Moment
	for _, l := range lost {
		if l.replacement != nil && !l.replacement.FirstTask.Never() {
			first.first(l.replacement.FirstTask)
		}
	}
	return first
}

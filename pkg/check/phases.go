package check

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// recovery returns the phases of the recovery from a fault that apply to it; none if it cost the application nothing.
func recovery(m *model.Model, incarnations model.Incarnations, fault *model.Fault, bounds RecoveryArgs) []step {
	for _, b := range m.DriverLosses(incarnations) {
		if b.Fault == fault {
			return cutShort(m, driverRecovery(m, incarnations, b, bounds), fault, b.Driver, incarnations)
		}
	}
	lost := model.OfFault(m.ExecutorLosses(incarnations), fault)
	if len(lost) == 0 || lost[0].Driver.Driver == nil {
		return nil
	}
	return cutShort(m, executorRecovery(m, lost, bounds), fault, lost[0].Driver, incarnations)
}

// cutShort leaves out the phases that had not ended when the next fault hit the same driver, its executors or its successor: what did
// not come after that is for that fault's recovery to show.
func cutShort(m *model.Model, steps []step, fault *model.Fault, victim *model.Incarnation, incarnations model.Incarnations) []step {
	next := m.NextFault(fault, victim)
	if successor := incarnations.After(victim); successor != nil {
		if at := m.NextFault(fault, successor); !at.IsZero() && (next.IsZero() || at.Before(next)) {
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
	at    model.Moment
	text  string // what at is
}

func (s *sequence) then(name string, to model.Moment, bound time.Duration, ends string) {
	s.steps = append(s.steps, step{name: name, from: s.at, to: to, bound: bound, begins: s.text, ends: ends})
	s.at, s.text = to, ends
}

func strikes(fault *model.Fault) sequence {
	return sequence{at: fault.Began, text: fmt.Sprintf("fault %s begins to act", fault.Name)}
}

// driverRecovery returns the phases after a fault that cost the driver.
func driverRecovery(m *model.Model, incarnations model.Incarnations, b model.DriverLoss, bounds RecoveryArgs) []step {
	s := strikes(b.Fault)
	if node := b.Fault.Node(); node != "" && b.Fault.SilencesNode() {
		s.then("detection", m.Nodes[node].Lost(b.Fault.Began.At), time.Duration(bounds.Detection), fmt.Sprintf("node %s is not Ready", node))
	}
	s.then("eviction", b.Driver.Pod.EndedSince(b.Fault.Began.At), time.Duration(bounds.Eviction),
		fmt.Sprintf("driver pod %s is marked for deletion or has ended", b.Driver.Name))
	var runs, started, progress model.Moment
	var driver *model.Process
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

func registeredBefore(b model.DriverLoss) int {
	if b.Driver.Driver == nil {
		return 0
	}
	return b.Driver.Driver.Registered(b.Fault.Began.At)
}

// allRegistered returns when n executors were first registered with a driver at the same time.
func allRegistered(driver *model.Process, n int) model.Moment {
	if driver == nil {
		return model.Moment{}
	}
	for _, e := range driver.Registrations() {
		if !e.At.Never() && driver.Registered(e.At.At) >= n {
			return e.At
		}
	}
	return model.Moment{}
}

// executorRecovery returns the phases after a fault that cost executors alone.
func executorRecovery(m *model.Model, lost []*model.ExecutorLoss, bounds RecoveryArgs) []step {
	fault, driver := lost[0].Fault, lost[0].Driver.Driver
	since := fault.Began.At
	s := strikes(fault)
	if node := fault.Node(); node != "" && fault.SilencesNode() {
		s.then("detection", m.Nodes[node].Lost(since), time.Duration(bounds.Detection), fmt.Sprintf("node %s is not Ready", node))
		s.then("eviction", firstEnded(lost, since), time.Duration(bounds.Eviction), fmt.Sprintf("executor pod %s is marked for deletion or has ended", lost[0].Pod.Name))
	} else {
		s.then("detection", removed(driver, lost, since), time.Duration(bounds.Detection), "the driver removes the lost executor")
	}
	s.then(phaseExecutorsBack, model.AllReplaced(lost), time.Duration(bounds.ExecutorsBack), fmt.Sprintf("%d executors have registered anew", len(lost)))
	s.then(phaseFirstProgress, firstTaskOfNew(lost), time.Duration(bounds.FirstProgress), "a new executor has ended its first task")
	return s.steps
}

func firstEnded(lost []*model.ExecutorLoss, since time.Time) model.Moment {
	var first model.Moment
	for _, l := range lost {
		if m := l.Pod.EndedSince(since); !m.Never() {
			first.KeepEarlier(m)
		}
	}
	return first
}

func removed(driver *model.Process, lost []*model.ExecutorLoss, since time.Time) model.Moment {
	var first model.Moment
	for _, l := range lost {
		e := driver.Executors[l.Pod.ExecutorID]
		if e != nil && !e.Removed.Never() && !e.Removed.At.Before(since) {
			first.KeepEarlier(e.Removed)
		}
	}
	return first
}

func firstTaskOfNew(lost []*model.ExecutorLoss) model.Moment {
	var first model.Moment
	for _, l := range lost {
		if l.Replacement != nil && !l.Replacement.FirstTask.Never() {
			first.KeepEarlier(l.Replacement.FirstTask)
		}
	}
	return first
}

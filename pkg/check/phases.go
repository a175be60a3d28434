package check

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// recovery returns the phases of the recovery from a fault that apply to it, and all of them as one; none if it cost the application
// nothing.
func recovery(m *model.Model, incarnations model.Incarnations, fault *model.Fault, bounds RecoveryArgs) ([]step, step) {
	var steps []step
	var victim *model.Incarnation
	for _, b := range m.DriverLosses(incarnations) {
		if b.Fault == fault {
			steps, victim = driverRecovery(m, incarnations, b, bounds), b.Driver
		}
	}
	if lost := model.OfFault(m.ExecutorLosses(incarnations), fault); victim == nil && len(lost) > 0 && lost[0].Driver.Driver != nil {
		steps, victim = executorRecovery(m, lost, bounds), lost[0].Driver
	}
	if victim == nil {
		return nil, step{}
	}
	all := total(fault, steps, bounds)
	other := m.Interference(incarnations, fault, victim)
	for i := range steps {
		steps[i].interfere(other)
	}
	all.interfere(other)
	return steps, all
}

// interfere notes what other faults did to a phase. One that had not ended when the next fault cost something is cut short: what did not
// come after that is for that fault's recovery to show. One that a fault disturbed that cost nothing may be late because of it.
func (s *step) interfere(other model.Interference) {
	s.cut = s.goesOn(other.Cut)
	if s.goesOn(other.Disturbed) {
		s.disturbed = other.By
	}
}

// goesOn reports whether a phase had not ended at a time, and was not overdue then.
func (s *step) goesOn(at time.Time) bool {
	if at.IsZero() || !s.to.Never() && !s.to.At.After(at) {
		return false
	}
	return s.bound <= 0 || s.from.Never() || at.Sub(s.from.At) <= s.bound
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
	// Where the node was silent already, nothing is to be detected.
	if node := b.Fault.Node(); node != "" && b.Fault.SilencesNode() && !m.Nodes[node].SilentBefore(b.Fault.Began.At) {
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
			fmt.Sprintf("%s %s registered with pod %s", wording.Count(before, "executor"), wording.Verb(before, "is", "are"), name))
	}
	// Executors come one by one and work at once, so progress may come before all of them are back.
	s.at, s.text = begun.at, begun.text
	s.then(phaseFirstProgress, progress, time.Duration(bounds.FirstProgress), fmt.Sprintf("a first task or batch has ended in pod %s", name))
	return s.servedUntil(m, rescheduled(incarnations, b))
}

// servedUntil notes when the driver ended of the phases that it would have shown: what had not come by then could not come any more, and
// yet may have come in time.
func (s *sequence) servedUntil(m *model.Model, driver *model.Incarnation) []step {
	for i := range s.steps {
		if driver != nil && s.steps[i].byDriver() {
			s.steps[i].over = served(m, driver)
		}
	}
	return s.steps
}

// served returns when a driver had ended, or the application had ended well; Never if neither is known. A driver of an application that
// failed for good never recovers, so its end ends nothing.
func served(m *model.Model, driver *model.Incarnation) model.Moment {
	well, badly, _ := completed(m)
	if well.Never() && !badly.Never() {
		return model.Moment{}
	}
	ends := []model.Moment{well, driver.Stopping()}
	if driver.Pod != nil {
		ends = append(ends, driver.Pod.Gone())
	}
	var first model.Moment
	for _, end := range ends {
		if !end.Never() {
			first.KeepEarlier(end)
		}
	}
	return first
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
		if !m.Nodes[node].SilentBefore(since) {
			s.then("detection", m.Nodes[node].Lost(since), time.Duration(bounds.Detection), fmt.Sprintf("node %s is not Ready", node))
		}
		s.then("eviction", firstEnded(lost, since), time.Duration(bounds.Eviction),
			fmt.Sprintf("executor pod %s is marked for deletion or has ended", lost[0].Pod.Name))
	} else {
		s.then("detection", removed(driver, lost, since), time.Duration(bounds.Detection), "the driver removes the lost executor")
	}
	s.then(phaseExecutorsBack, model.AllReplaced(lost), time.Duration(bounds.ExecutorsBack),
		fmt.Sprintf("%s %s registered again", wording.Count(len(lost), "executor"), wording.Verb(len(lost), "has", "have")))
	s.then(phaseFirstProgress, firstTaskOfNew(lost), time.Duration(bounds.FirstProgress), "a new executor has ended its first task")
	return s.servedUntil(m, lost[0].Driver)
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

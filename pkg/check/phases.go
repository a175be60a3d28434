package check

import (
	"fmt"
	"slices"
	"time"
)

// recovery returns the phases of the recovery from a fault that apply to it; none if it struck nothing of the
// application.
func (m *Model) recovery(incarnations []*Incarnation, fault *Fault, bounds RecoveryArgs) []step {
	victim := current(incarnations, fault.Began.At)
	if victim == nil {
		return nil
	}
	if fault.hits(victim.UID, victim.Node) {
		return m.driverRecovery(incarnations, blow{fault, victim}, bounds)
	}
	return m.executorRecovery(victim, fault, bounds)
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
	return sequence{at: fault.Began, text: fmt.Sprintf("fault %s strikes", fault.Name)}
}

// driverRecovery returns the phases after a fault that struck the driver.
func (m *Model) driverRecovery(incarnations []*Incarnation, b blow, bounds RecoveryArgs) []step {
	s := strikes(b.fault)
	if node := b.fault.node(); node != "" {
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
	s.then("driver start", started, time.Duration(bounds.DriverStart), fmt.Sprintf("Spark has started in pod %s", name))
	begun := s
	if before := registeredBefore(b); before > 0 {
		s.then("executors back", nthRegistered(driver, time.Time{}, before), time.Duration(bounds.ExecutorsBack),
			fmt.Sprintf("%d executors are registered with pod %s", before, name))
	}
	// Executors come one by one and work at once, so progress may come before all of them are back.
	s.at, s.text = begun.at, begun.text
	s.then("first progress", progress, time.Duration(bounds.FirstProgress), fmt.Sprintf("a first task or batch has ended in pod %s", name))
	return s.steps
}

func registeredBefore(b blow) int {
	if b.victim.Driver == nil {
		return 0
	}
	return b.victim.Driver.registered(b.fault.Began.At)
}

// ended returns when the pod was marked for deletion or ended, not before since.
func (p *Pod) ended(since time.Time) Moment {
	var first Moment
	for _, m := range []Moment{p.Terminating, p.Finished, p.Deleted} {
		if !m.Never() && !m.At.Before(since) {
			first.first(m)
		}
	}
	return first
}

// nthRegistered returns when the n-th executor after since had registered with a driver.
func nthRegistered(driver *Process, since time.Time, n int) Moment {
	if driver == nil {
		return Moment{}
	}
	for _, e := range sortedExecutors(driver) {
		if e.At.Never() || !e.At.At.After(since) {
			continue
		}
		if n--; n == 0 {
			return e.At
		}
	}
	return Moment{}
}

// executorRecovery returns the phases after a fault that struck executors alone.
func (m *Model) executorRecovery(incarnation *Incarnation, fault *Fault, bounds RecoveryArgs) []step {
	lost := m.lostExecutors(incarnation, fault)
	driver := incarnation.Driver
	if len(lost) == 0 || driver == nil {
		return nil
	}
	since := fault.Began.At
	s := strikes(fault)
	if node := fault.node(); node != "" {
		s.then("detection", m.Nodes[node].lost(since), time.Duration(bounds.Detection), fmt.Sprintf("node %s is not Ready", node))
		s.then("eviction", firstEnded(lost, since), time.Duration(bounds.Eviction), fmt.Sprintf("executor pod %s is marked for deletion or has ended", lost[0].Name))
	} else {
		s.then("detection", removed(driver, lost, since), time.Duration(bounds.Detection), "the driver removes the lost executor")
	}
	s.then("executors back", nthRegistered(driver, since, len(lost)), time.Duration(bounds.ExecutorsBack),
		fmt.Sprintf("%d executors have registered anew", len(lost)))
	s.then("first progress", firstTaskOfNew(driver, since), time.Duration(bounds.FirstProgress), "a new executor has ended its first task")
	return s.steps
}

// lostExecutors returns the live executors' pods that a fault struck.
func (m *Model) lostExecutors(incarnation *Incarnation, fault *Fault) []*Pod {
	return slices.DeleteFunc(m.executors(incarnation), func(pod *Pod) bool {
		gone := pod.Gone()
		alive := !pod.Running.Never() && !pod.Running.At.After(fault.Began.At) && (gone.Never() || gone.At.After(fault.Began.At))
		return !alive || !fault.hits(pod.UID, pod.Node)
	})
}

func firstEnded(pods []*Pod, since time.Time) Moment {
	var first Moment
	for _, pod := range pods {
		if m := pod.ended(since); !m.Never() {
			first.first(m)
		}
	}
	return first
}

func removed(driver *Process, pods []*Pod, since time.Time) Moment {
	var first Moment
	for _, pod := range pods {
		e := driver.Executors[pod.ExecutorID]
		if e != nil && !e.Removed.Never() && !e.Removed.At.Before(since) {
			first.first(e.Removed)
		}
	}
	return first
}

func firstTaskOfNew(driver *Process, since time.Time) Moment {
	var first Moment
	for _, e := range driver.Executors {
		if e.At.At.After(since) && !e.FirstTask.Never() {
			first.first(e.FirstTask)
		}
	}
	return first
}

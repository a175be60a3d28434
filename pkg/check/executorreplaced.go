package check

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func executorReplaced() Definition {
	return Definition{
		Name: "executorReplaced",
		Doc: "After a fault struck executors and not the driver, as many executors as were lost are registered anew with the driver, under new ids, within the bound, counted from the moment at which the fault began to act; " +
			"a pod's object alone is no executor.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceFault),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return checkerFunc(func(m *Model) Result { return checkReplaced(m, within) })
		},
	}
}

// loss is a fault that cost the live driver executors.
type loss struct {
	fault  *Fault
	driver *Incarnation
	lost   []*Pod
}

// losses returns the faults that struck executors of the live driver and not the driver itself.
func (m *Model) losses(incarnations []*Incarnation) []loss {
	var all []loss
	for _, fault := range m.landed() {
		driver := current(incarnations, fault.Began.At)
		if driver == nil || fault.hits(driver.UID, driver.Node) {
			continue
		}
		if lost := m.lostExecutors(driver, fault); len(lost) > 0 {
			all = append(all, loss{fault, driver, lost})
		}
	}
	return all
}

func checkReplaced(m *Model, within time.Duration) Result {
	f := m.finding()
	f.Bound = tell(within)
	incarnations := m.Incarnations()
	losses := m.losses(incarnations)
	if !f.assume(len(losses) > 0, "a fault that landed struck an executor of the live driver, and not the driver") {
		return f.inconclusive("no fault that landed struck an executor alone, so there was nothing to replace")
	}
	f.assumeDisksRead(incarnations)
	var slowest time.Duration
	var undecided *loss
	for _, l := range losses {
		if !f.assume(l.driver.Driver != nil, "%s reported to the witness", l.driver) {
			continue
		}
		began := l.fault.Began
		back := nthRegistered(l.driver.Driver, began.At, len(l.lost))
		switch {
		case back.Never() && l.driver.Driver.Alive.last().At.Sub(began.At) <= within:
			undecided = &l
		case back.Never() || back.At.Sub(began.At) > within:
			return notReplaced(m, l, back, within)
		default:
			slowest = max(slowest, back.At.Sub(began.At))
			f.cite(began, "fault %s struck %s of %s", l.fault.Name, count(len(l.lost), "executor"), l.driver)
			f.cite(back, "as many executors have registered anew")
		}
	}
	if undecided != nil {
		return f.inconclusive("%s ended %s after fault %s, before the bound, and its executor was not replaced yet",
			undecided.driver, tell(undecided.driver.Driver.Alive.last().At.Sub(undecided.fault.Began.At)), undecided.fault.Name)
	}
	f.Measured = tell(slowest)
	return f.held("all executors that were lost were replaced %s after the fault", tell(slowest))
}

func notReplaced(m *Model, l loss, back Moment, within time.Duration) Result {
	f := m.finding()
	f.Bound, f.Measured = tell(within), "never"
	f.cite(l.fault.Began, "fault %s struck %s of %s", l.fault.Name, count(len(l.lost), "executor"), l.driver)
	for _, pod := range l.lost {
		f.cite(pod.Terminating, "pod %s is marked for deletion", pod.Name)
		f.cite(pod.Gone(), "pod %s has ended or is gone for the API server", pod.Name)
	}
	if !back.Never() {
		took := tell(back.At.Sub(l.fault.Began.At))
		f.Measured = took
		f.cite(back, "as many executors have registered anew, only now")
		return f.violated("the executors lost to fault %s were replaced after %s, later than %s", l.fault.Name, took, tell(within))
	}
	end := l.driver.Driver.Alive.last()
	f.cite(end, "%s gives its last sign of life", l.driver)
	return f.violated("of the executors lost to fault %s not all were replaced in %s", l.fault.Name, tell(end.At.Sub(l.fault.Began.At)))
}

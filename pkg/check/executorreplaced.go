package check

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func executorReplaced() Definition {
	return Definition{
		Name: "executorReplaced",
		Doc: "For each executor that a fault cost the live driver another one, which was asked for after the loss, is registered, all of them at the same time, within the bound, counted from the moment at which the fault began to act; " +
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

func checkReplaced(m *Model, within time.Duration) Result {
	f := m.finding()
	f.Bound = wording.Duration(within)
	incarnations := m.Incarnations()
	losses := m.losses(incarnations)
	if !f.assume(len(losses) > 0, "a fault that landed cost the live driver an executor, and not the driver itself") {
		return f.inconclusive("no fault that landed cost the driver an executor alone, so there was nothing to replace")
	}
	f.assume(m.seen("Pod"), "no change of a pod was missed")
	var slowest lapse
	for _, fault := range m.landed() {
		lost := ofFault(losses, fault)
		if len(lost) == 0 {
			continue
		}
		driver := lost[0].driver
		if !f.assume(driver.Driver != nil, "%s reported to the witness", driver) {
			return f.inconclusive("%s never reported, so nobody knows which executors registered with it", driver)
		}
		f.assumeClocks(driver.Driver)
		f.assumeDisks(m.nodesOf([]*Incarnation{driver}), "that the driver ran on")
		back := together(lost)
		took := m.lapse(fault.Began, back)
		if back.Never() || took.most > within {
			return m.notReplaced(lost, back, within)
		}
		if took.most > slowest.most {
			slowest = took
		}
		f.cite(fault.Began, "fault %s costs %s %s", fault.Name, driver, wording.Count(len(lost), "executor"))
		f.cite(lost[0].at, "executor %s is lost", lost[0].pod.Name)
		f.cite(back, "as many executors have registered anew")
	}
	f.Measured = slowest.String()
	return f.held("all executors that were lost were replaced %s after the fault", slowest)
}

// notReplaced judges that the executors that a fault cost were replaced late, or not at all.
func (m *Model) notReplaced(lost []*loss, back Moment, within time.Duration) Result {
	f := m.finding()
	fault, driver := lost[0].fault, lost[0].driver
	f.Bound, f.Measured = wording.Duration(within), "never"
	f.assume(m.seen("Pod"), "no change of a pod was missed")
	f.assumeClocks(driver.Driver)
	f.assumeHeard(driver, fault.Began.At.Add(within))
	f.cite(fault.Began, "fault %s costs %s %s", fault.Name, driver, wording.Count(len(lost), "executor"))
	for _, l := range lost {
		f.cite(l.pod.Terminating, "pod %s is marked for deletion", l.pod.Name)
		f.cite(l.pod.Gone(), "pod %s has ended or is gone for the API server", l.pod.Name)
	}
	w := Window{From: fault.Began.At, To: driver.Driver.Alive.last().At, Bound: within}
	if !back.Never() {
		took := m.lapse(fault.Began, back)
		w.To = back.At
		f.cite(back, "as many executors have registered anew, only now")
		return f.within(took, w, "", fmt.Sprintf("the executors lost to fault %s were replaced after %s, later than %s", fault.Name, took, wording.Duration(within)))
	}
	served := driver.Driver.Alive.last()
	if stopping := driver.stopping(); !stopping.Never() {
		served = stopping
	}
	waited := served.At.Sub(fault.Began.At)
	f.cite(served, "%s was in service until now", driver)
	if waited <= within {
		f.Measured = ""
		return f.inconclusive("%s ended %s after fault %s, before the bound, and its executors were not replaced yet", driver, wording.Duration(waited), fault.Name)
	}
	w.Least = waited
	return f.late(w, "of the executors lost to fault %s not all were replaced in %s", fault.Name, wording.Duration(waited))
}

// assumeHeard states that a driver's records are known without holes until a time: what it did not tell by then it did not do.
func (f *finding) assumeHeard(driver *Incarnation, until time.Time) {
	gone, known := f.model.MissingRecords(driver.UID)
	if !known {
		return
	}
	f.assume(gone == 0, "the records of %s have no holes (%d are missing)", driver, gone)
	if driver.Driver.Alive.last().At.Before(until) {
		f.assumeDisks(f.model.nodesOf([]*Incarnation{driver}), "that the driver ran on")
	}
}

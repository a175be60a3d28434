package check

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func executorReplaced() Definition {
	return Definition{
		Name: "executorReplaced",
		Doc: "For each executor that a fault cost the live driver, another one is requested after the loss and registers. All of them are " +
			"registered at the same time within the bound, counted from when the fault took effect. A pod without a registered executor does " +
			"not count.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceFault),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return CheckerFunc(func(m *model.Model) Result { return checkReplaced(m, within) })
		},
	}
}

func checkReplaced(m *model.Model, within time.Duration) Result {
	f := NewFinding(m)
	f.Bound = wording.Duration(within)
	incarnations := m.Incarnations()
	losses := m.ExecutorLosses(incarnations)
	if !f.Assume(len(losses) > 0, "a fault that landed cost the live driver an executor, and not the driver itself") {
		return f.Inconclusive("no fault that landed cost the driver an executor alone, so there was nothing to replace")
	}
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	var slowest model.Lapse
	for _, fault := range m.Landed() {
		lost := model.OfFault(losses, fault)
		if len(lost) == 0 {
			continue
		}
		driver := lost[0].Driver
		if !f.Assume(driver.Driver != nil, "%s reported to the witness", driver) {
			return f.Inconclusive("%s never reported, so nobody knows which executors registered with it", driver)
		}
		f.AssumeClocks(driver.Driver)
		f.AssumeDisks(m.NodesOf(model.Incarnations{driver}), "that the driver ran on")
		f.assumeAskedAfter(lost)
		back := model.AllReplaced(lost)
		took := m.Lapse(fault.Began, back)
		if back.Never() || took.Most > within {
			return notReplaced(m, lost, back, within)
		}
		if took.Most > slowest.Most {
			slowest = took
		}
		f.Cite(fault.Began, "fault %s costs %s %s", fault.Name, driver, wording.Count(len(lost), "executor"))
		f.Cite(lost[0].At, "executor %s is lost", lost[0].Pod.Name)
		f.Cite(back, "as many executors have registered again")
	}
	f.Measured = slowest.String()
	return f.Held("all executors that were lost were replaced %s after the fault", slowest)
}

// notReplaced judges that the executors that a fault cost were replaced late, or not at all.
func notReplaced(m *model.Model, lost []*model.ExecutorLoss, back model.Moment, within time.Duration) Result {
	f := NewFinding(m)
	fault, driver := lost[0].Fault, lost[0].Driver
	f.Bound, f.Measured = wording.Duration(within), "never"
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	f.AssumeClocks(driver.Driver)
	f.assumeHeard(driver, fault.Began.At.Add(within))
	f.Cite(fault.Began, "fault %s costs %s %s", fault.Name, driver, wording.Count(len(lost), "executor"))
	for _, l := range lost {
		f.Cite(l.Pod.Terminating, "pod %s is marked for deletion", l.Pod.Name)
		f.Cite(l.Pod.Gone(), "pod %s has ended or is gone for the API server", l.Pod.Name)
	}
	w := Window{From: fault.Began.At, To: driver.Driver.Alive.Last().At, Bound: within}
	if !back.Never() {
		took := m.Lapse(fault.Began, back)
		w.To = back.At
		f.Cite(back, "as many executors have registered again, only now")
		return f.Within(took, w, "", fmt.Sprintf("the executors lost to fault %s were replaced after %s, later than %s", fault.Name, took,
			wording.Duration(within)))
	}
	served := driver.Driver.Alive.Last()
	if stopping := driver.Stopping(); !stopping.Never() {
		served = stopping
	}
	waited := served.At.Sub(fault.Began.At)
	f.Cite(served, "%s was in service until now", driver)
	if waited <= within {
		f.Measured = ""
		return f.Inconclusive("%s ended %s after fault %s, before the bound, and its executors were not replaced yet", driver,
			wording.Duration(waited), fault.Name)
	}
	w.Least = waited
	return f.Late(w, "of the executors lost to fault %s not all were replaced in %s", fault.Name, wording.Duration(waited))
}

// assumeAskedAfter states that what took the place of executors was asked for after the fault, which was seen late of some.
func (f *Finding) assumeAskedAfter(lost []*model.ExecutorLoss) {
	for _, l := range lost {
		if l.Unsure {
			f.Assume(false, "executor %s, which took the place of %s, was asked for after the fault (its pod was seen late)", l.Replacement.ID,
				l.Pod.Name)
		}
	}
}

// assumeHeard states that a driver's records are known without holes until a time: what it did not tell by then it did not do.
func (f *Finding) assumeHeard(driver *model.Incarnation, until time.Time) {
	gone, known := f.model.MissingRecords(driver.UID)
	if !known {
		return
	}
	f.Assume(gone == 0, "the records of %s have no holes (%d are missing)", driver, gone)
	if driver.Driver.Alive.Last().At.Before(until) {
		f.AssumeDisks(f.model.NodesOf(model.Incarnations{driver}), "that the driver ran on")
	}
}

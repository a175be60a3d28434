package check

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// RecoveryArgs are the bounds of the phases of recovery; a phase without a bound is measured only.
type RecoveryArgs struct {
	// Detection is from the fault's begin until the node is not Ready, or until the driver notices a lost executor's pod.
	Detection scenario.Duration `json:"detection,omitempty"`
	// Eviction is from the detection until the lost pod is marked for deletion, or ended.
	Eviction scenario.Duration `json:"eviction,omitempty"`
	// Rescheduling is from the eviction until the new driver pod runs.
	Rescheduling scenario.Duration `json:"rescheduling,omitempty"`
	// DriverStart is from the new pod's running until Spark has started in it.
	DriverStart scenario.Duration `json:"driverStart,omitempty"`
	// ExecutorsBack is from the driver's start, or from the detection of a lost executor, until as many executors are registered as before the fault.
	ExecutorsBack scenario.Duration `json:"executorsBack,omitempty"`
	// FirstProgress is from the driver's start until a first task or batch has ended in it, or from the executors' return until one of them ended a task.
	FirstProgress scenario.Duration `json:"firstProgress,omitempty"`
	// Total is from the fault's begin until the last of all phases.
	Total scenario.Duration `json:"total,omitempty"`
}

// longest is how long a recovery may take that keeps to its bounds: each phase begins when the one before it ends.
func (a *RecoveryArgs) longest() time.Duration {
	phases := a.Detection + a.Eviction + a.Rescheduling + a.DriverStart + a.ExecutorsBack + a.FirstProgress
	return time.Duration(max(a.Total, phases))
}

func recoveryWithin() Definition {
	return Definition{
		Name: "recoveryWithin",
		Doc:  "Each phase of the recovery from each fault (detection, eviction, rescheduling, driverStart, executorsBack, firstProgress, and their total) ends within its bound; a phase without a bound is measured only.",
		Args: func() any { return &RecoveryArgs{} },
		Bound: func(args any) scenario.Bound {
			return scenario.Bound{Within: args.(*RecoveryArgs).longest(), Since: scenario.SinceFault}
		},
		New: func(args any) Checker {
			bounds := *args.(*RecoveryArgs)
			return checkerFunc(func(m *Model) Result { return checkRecovery(m, bounds) })
		},
	}
}

// step is one phase as it is looked for.
type step struct {
	name     string
	from, to Moment // from is Never if what it follows never came
	bound    time.Duration
	begins   string // in words
	ends     string
}

func (s step) took() time.Duration { return max(0, s.to.At.Sub(s.from.At)) }

func checkRecovery(m *Model, bounds RecoveryArgs) Result {
	f := m.finding()
	incarnations := m.Incarnations()
	if !f.assume(len(m.landed()) > 0, "a fault landed") {
		return f.inconclusive("no fault landed, so there was nothing to recover from")
	}
	var steps []step
	var totals []step
	for _, fault := range m.landed() {
		found := m.recovery(incarnations, fault, bounds)
		if !f.assume(len(found) > 0, "fault %s struck the live driver or an executor of it", fault.Name) {
			continue
		}
		if late := f.measure(fault, found); late != nil {
			return f.late(*late)
		}
		steps = append(steps, found...)
		totals = append(totals, total(fault, found, bounds))
	}
	return f.recovered(steps, totals)
}

// measure adds the phases that were seen, and returns the first that took longer than its bound.
func (f *finding) measure(fault *Fault, steps []step) *step {
	var late *step
	for i := range steps {
		s := &steps[i]
		if s.from.Never() || s.to.Never() {
			if late == nil && f.model.overdue(*s) {
				late = s
			}
			continue
		}
		f.Phases = append(f.Phases, Phase{
			Fault: fault.Name, Name: s.name, Duration: s.took(), Bound: s.bound, From: s.from.Seq, To: s.to.Seq,
		})
		if late == nil && s.bound > 0 && s.took() > s.bound {
			late = s
		}
	}
	return late
}

// overdue says that a phase that never ended should have ended within the record.
func (m *Model) overdue(s step) bool {
	return s.bound > 0 && !s.from.Never() && s.to.Never() && m.seenUntil("Node", "Pod").At.Sub(s.from.At) > s.bound
}

func (f *finding) late(s step) Result {
	f.Bound = tell(s.bound)
	f.cite(s.from, "%s", s.begins)
	if s.to.Never() {
		f.Measured = s.name + " never"
		f.cite(f.model.end(), "the record ends; %s: not yet", s.ends)
		return f.violated("%s did not end within %s: %s never came", s.name, tell(s.bound), s.ends)
	}
	f.Measured = s.name + " " + tell(s.took())
	f.cite(s.to, "%s", s.ends)
	return f.violated("%s took %s, longer than %s", s.name, tell(s.took()), tell(s.bound))
}

// recovered closes the finding when no single phase was late.
func (f *finding) recovered(steps, totals []step) Result {
	for _, t := range totals {
		if f.model.overdue(t) || !t.to.Never() && t.bound > 0 && t.took() > t.bound {
			return f.late(t)
		}
	}
	var longest *step
	for i := range totals {
		if t := &totals[i]; longest == nil || t.took() > longest.took() {
			longest = t
		}
	}
	if longest != nil && !longest.to.Never() {
		f.Measured = tell(longest.took())
		if longest.bound > 0 {
			f.Bound = tell(longest.bound)
		}
	}
	for _, s := range steps {
		f.cite(s.from, "%s", s.begins)
		f.cite(s.to, "%s", s.ends)
		if !f.assume(!s.to.Never(), "%s was seen to end (%s)", s.name, s.ends) {
			return f.inconclusive("%s was not seen to end (%s) before the record ended", s.name, s.ends)
		}
	}
	if longest == nil {
		return f.held("no fault struck the application")
	}
	return f.held("the application had recovered %s after the fault", tell(longest.took()))
}

// total returns all phases of a fault as one, not ended as long as any of them is not.
func total(fault *Fault, steps []step, bounds RecoveryArgs) step {
	t := step{name: "total", from: fault.Began, bound: time.Duration(bounds.Total), begins: "fault " + fault.Name + " strikes", ends: "the recovery is complete"}
	for _, s := range steps {
		if s.to.Never() {
			t.to = Moment{}
			return t
		}
		t.to.latest(s.to)
	}
	return t
}

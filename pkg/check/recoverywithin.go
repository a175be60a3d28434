package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
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
	// ExecutorsBack is from the driver's start, or from the detection of a lost executor, until as many executors are registered as before
	// the fault.
	ExecutorsBack scenario.Duration `json:"executorsBack,omitempty"`
	// FirstProgress is from the driver's start until a first task or batch has ended in it, or from the executors' return until one of them
	// ended a task.
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
		Doc: "Each phase of the recovery from each fault (detection, eviction, rescheduling, driverStart, executorsBack, firstProgress, and " +
			"their total) ends within its bound. At least one bound is needed; a phase without a bound is only measured. A phase that the next " +
			"fault cut short is not judged.",
		Args:     func() any { return &RecoveryArgs{} },
		Problems: recoveryProblems,
		Bound: func(args any) scenario.Bound {
			return scenario.Bound{Within: args.(*RecoveryArgs).longest(), Since: scenario.SinceFault}
		},
		New: func(args any) Checker {
			bounds := *args.(*RecoveryArgs)
			return CheckerFunc(func(m *model.Model) Result { return checkRecovery(m, bounds) })
		},
	}
}

// recoveryProblems refuses arguments that no recovery could violate.
func recoveryProblems(args any) []string {
	a := args.(*RecoveryArgs)
	if max(a.Detection, a.Eviction, a.Rescheduling, a.DriverStart, a.ExecutorsBack, a.FirstProgress, a.Total) <= 0 {
		return []string{"no bound is given, so it could never be violated: write one at least, like {total: 2m}"}
	}
	return nil
}

// step is one phase as it is looked for.
type step struct {
	name     string
	from, to model.Moment // from is Never if what it follows never came
	bound    time.Duration
	begins   string // in words
	ends     string
	over     model.Moment // when the driver had ended that would have shown it; Never if it had not, or others show it

	cut       bool         // the next fault cost something before it ended
	disturbed *model.Fault // that hit the application before it ended, and cost nothing
}

func (s step) took() time.Duration { return max(0, s.to.At.Sub(s.from.At)) }

// byDriver reports whether the end of the phase is reported by a driver, and not by the API server.
func (s step) byDriver() bool {
	switch s.name {
	case phaseDriverStart, phaseExecutorsBack, phaseFirstProgress:
		return true
	default:
		return false
	}
}

// Phases that a driver's own records show.
const (
	phaseDriverStart   = "driver start"
	phaseExecutorsBack = "executors back"
	phaseFirstProgress = "first progress"
)

func checkRecovery(m *model.Model, bounds RecoveryArgs) Result {
	f := NewFinding(m)
	incarnations := m.Incarnations()
	if !f.Assume(len(m.Landed()) > 0, "a fault landed") {
		return f.Inconclusive("no fault landed, so there was nothing to recover from")
	}
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	f.Assume(m.SawAll("Node"), "no change of a node was missed")
	f.AssumeDrivers(incarnations)
	f.assumeInService(m.DriverLosses(incarnations))
	var steps []step
	var totals []step
	for _, fault := range m.Landed() {
		found, all := recovery(m, incarnations, fault, bounds)
		if len(found) == 0 {
			continue // it cost nothing, so there is nothing to recover from
		}
		for _, s := range found {
			if r := f.overdue(fault, s); r != nil {
				return *r
			}
		}
		steps = append(steps, found...)
		totals = append(totals, all)
	}
	if !f.Assume(len(steps) > 0, "a fault cost the application its driver or an executor") {
		return f.Inconclusive("no fault cost the application its driver or an executor, so there was nothing to recover from")
	}
	return f.recovered(steps, totals)
}

// AssumeDrivers states that what the drivers told is known in full, by clocks that can be compared.
func (f *Finding) AssumeDrivers(incarnations model.Incarnations) {
	var drivers []*model.Process
	var silent []string
	for _, incarnation := range running(incarnations) {
		if incarnation.Driver == nil {
			silent = append(silent, incarnation.Name)
			continue
		}
		drivers = append(drivers, incarnation.Driver)
	}
	f.Assume(len(silent) == 0, "every driver that ran reported to the witness%s", wording.Except(silent))
	f.AssumeClocks(drivers...)
}

// overdue adds a phase that was seen, and returns a result if it took longer than its bound, or has not come within it.
func (f *Finding) overdue(fault *model.Fault, s step) *Result {
	m := f.model
	w := Window{From: s.from.At, Bound: s.bound, Kinds: []string{"Node", "Pod"}}
	if s.byDriver() {
		w.Kinds = nil
	}
	if s.from.Never() || s.to.Never() {
		end, kinds := m.Horizon(), w.Kinds
		if len(kinds) > 0 {
			end = m.SeenUntil(kinds...)
		}
		end = s.until(end)
		if s.cut || s.bound <= 0 || s.from.Never() || end.At.Sub(s.from.At) <= s.bound {
			return nil
		}
		f.Bound, f.Measured = wording.Duration(s.bound), s.name+" never"
		f.Cite(s.from, "%s", s.begins)
		f.Cite(end, "%s; %s: not yet", s.citeUntil(end), s.ends)
		if s.byDriver() {
			f.AssumeDisks(m.NodesOf(m.Incarnations()), "that a driver ran on")
		}
		f.assumeAlone(s)
		w.To, w.Least = end.At, end.At.Sub(s.from.At)
		r := f.Late(w, "%s did not end within %s: %s never came", s.name, wording.Duration(s.bound), s.ends)
		return &r
	}
	f.Phases = append(f.Phases, Phase{
		Fault: fault.Name, Name: s.name, Duration: s.took(), Bound: s.bound, From: s.from.Seq, To: s.to.Seq,
	})
	return f.tooLong(s, w)
}

// until returns the end of the time in which a phase could have ended, if it is earlier than end.
func (s step) until(end model.Moment) model.Moment {
	if !s.over.Never() && s.over.At.Before(end.At) {
		return s.over
	}
	return end
}

// citeUntil says what the end of that time is.
func (s step) citeUntil(end model.Moment) string {
	if end == s.over {
		return "the driver or the application has ended"
	}
	return "nothing is seen from here on"
}

// assumeAlone states that a phase is late because of its own fault.
func (f *Finding) assumeAlone(s step) {
	if s.disturbed != nil {
		f.Cite(s.disturbed.Began, "fault %s hits %s", s.disturbed.Name, target(s.disturbed))
		f.Assume(false, "no other fault hit the application before it recovered (fault %s did)", s.disturbed.Name)
	}
}

// tooLong returns a result if a phase that ended took longer than its bound, or may have.
func (f *Finding) tooLong(s step, w Window) *Result {
	took := f.model.Lapse(s.from, s.to)
	if s.bound <= 0 || took.Most <= s.bound || s.cut {
		return nil
	}
	f.Bound = wording.Duration(s.bound)
	f.Cite(s.from, "%s", s.begins)
	f.Cite(s.to, "%s", s.ends)
	w.To = s.to.At
	f.assumeAlone(s)
	r := f.Within(took, w, "", fmt.Sprintf("%s took %s, longer than %s", s.name, took, wording.Duration(s.bound)))
	r.Measured = s.name + " " + took.String()
	return &r
}

// recovered closes the finding when no single phase was late.
func (f *Finding) recovered(steps, totals []step) Result {
	m := f.model
	for _, t := range totals {
		w := Window{From: t.from.At, Bound: t.bound, Kinds: []string{"Node", "Pod"}}
		if !t.to.Never() {
			if r := f.tooLong(t, w); r != nil {
				return *r
			}
			continue
		}
		end := t.until(m.SeenUntil(w.Kinds...))
		if w.To, w.Least = end.At, end.At.Sub(t.from.At); t.bound > 0 && w.Least > t.bound && !t.cut {
			f.Bound, f.Measured = wording.Duration(t.bound), "total never"
			f.Cite(t.from, "%s", t.begins)
			f.Cite(end, "%s; %s: not yet", t.citeUntil(end), t.ends)
			f.AssumeDisks(m.NodesOf(m.Incarnations()), "that a driver ran on")
			f.assumeAlone(t)
			return f.Late(w, "total did not end within %s: %s never came", wording.Duration(t.bound), t.ends)
		}
	}
	var longest *step
	for i := range totals {
		if t := &totals[i]; !t.to.Never() && (longest == nil || t.took() > longest.took()) {
			longest = t
		}
	}
	if longest != nil {
		f.Measured = wording.Duration(longest.took())
		if longest.bound > 0 {
			f.Bound = wording.Duration(longest.bound)
		}
	}
	if !slices.ContainsFunc(totals, func(t step) bool { return !t.cut }) {
		f.Assume(false, "one recovery at least was not cut short by the next fault")
		return f.Inconclusive("the next fault cut short each recovery")
	}
	for _, s := range steps {
		if s.cut {
			continue
		}
		f.Cite(s.from, "%s", s.begins)
		f.Cite(s.to, "%s", s.ends)
		if !f.Assume(!s.to.Never(), "%s was seen to end (%s)", s.name, s.ends) {
			return f.Inconclusive("%s was not seen to end (%s) before %s", s.name, s.ends, s.lastWord())
		}
	}
	if longest == nil {
		return f.Held("the application had recovered")
	}
	return f.Held("the application had recovered %s after the fault", wording.Duration(longest.took()))
}

// lastWord says what ended the time in which the phase could be seen to end.
func (s step) lastWord() string {
	if s.over.Never() {
		return "the record ended"
	}
	return "the driver or the application ended"
}

// total returns all phases of a fault as one, not ended as long as any of them is not.
func total(fault *model.Fault, steps []step, bounds RecoveryArgs) step {
	t := step{name: "total", from: fault.Began, bound: time.Duration(bounds.Total), begins: "fault " + fault.Name + " begins to act",
		ends: "the recovery is complete"}
	ended := true
	for _, s := range steps {
		switch {
		case !s.to.Never():
			t.to.KeepLater(s.to)
			continue
		case !s.over.Never():
			t.over.KeepEarlier(s.over)
		}
		ended = false
	}
	if !ended {
		t.to = model.Moment{}
	}
	return t
}

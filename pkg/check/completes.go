package check

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func completes() Definition {
	return Definition{
		Name:     "completes",
		Doc:      "The application ends well (the driver's Job is Complete, a bare driver pod Succeeded) within the bound, counted from its launch.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceLaunch),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return checkerFunc(func(m *Model) Result { return checkCompletes(m, within) })
		},
	}
}

// completed returns when the application ended well, and when and why it failed for good.
func (m *Model) completed() (well, badly Moment, reason string) {
	if m.Workload.DriverKind == "Job" {
		return m.Job.Complete, m.Job.Failed, m.Job.Reason
	}
	for _, incarnation := range m.Incarnations() {
		if incarnation.Pod == nil || incarnation.Pod.Finished.Never() {
			continue
		}
		if incarnation.Pod.Succeeded {
			well.first(incarnation.Pod.Finished)
			continue
		}
		badly.first(incarnation.Pod.Finished)
		reason = "pod " + incarnation.Name + " Failed"
	}
	return well, badly, reason
}

func checkCompletes(m *Model, within time.Duration) Result {
	f := m.finding()
	f.Bound = tell(within)
	if !f.assume(!m.Launched.Never(), "the workload was launched") {
		return f.inconclusive("the workload was never launched")
	}
	f.cite(m.Launched, "the workload was launched")
	well, badly, reason := m.completed()
	switch {
	case !well.Never():
		took := well.At.Sub(m.Launched.At)
		f.Measured = tell(took)
		f.cite(well, "the application ended well")
		if took > within {
			return f.violated("the application took %s, longer than %s", tell(took), tell(within))
		}
		return f.held("the application ended well after %s", tell(took))
	case !badly.Never():
		f.Measured = "failed"
		f.cite(badly, "the application failed: %s", reason)
		return f.violated("the application failed %s after its launch: %s", tell(badly.At.Sub(m.Launched.At)), reason)
	}
	end := m.seenUntil(m.Workload.DriverKind, "Pod")
	waited := end.At.Sub(m.Launched.At)
	f.cite(end, "the record ends")
	if waited > within {
		f.Measured = "never"
		return f.violated("the application had not ended %s after its launch", tell(waited))
	}
	return f.inconclusive("the record ends %s after the launch, before the bound, and the application had not ended", tell(waited))
}

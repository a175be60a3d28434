package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func completes() Definition {
	return Definition{
		Name:     "completes",
		Doc:      "The application ends well (the driver's Job is Complete, a bare driver pod Succeeded) within the bound, counted from its launch, and its last driver has done work: a job, a task, a batch or a commit.",
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
		job := m.Job()
		return job.Complete, job.Failed, job.Reason
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
	f.Bound = wording.Duration(within)
	if !f.assume(!m.Launched.Never(), "the workload was launched") {
		return f.inconclusive("the workload was never launched")
	}
	f.cite(m.Launched, "the workload was launched")
	well, badly, reason := m.completed()
	switch {
	case !well.Never():
		took := m.lapse(m.Launched, well)
		f.cite(well, "the application ended well")
		if took.most <= within {
			f.assumeWork(well)
		}
		w := Window{From: m.Launched.At, To: well.At, Bound: within}
		return f.within(took, w, fmt.Sprintf("the application ended well after %s", took), fmt.Sprintf("the application took %s, longer than %s", took, wording.Duration(within)))
	case !badly.Never():
		f.Measured = "failed"
		f.cite(badly, "the application failed: %s", reason)
		return f.proven("the application failed %s after its launch: %s", wording.Duration(badly.At.Sub(m.Launched.At)), reason)
	}
	end := m.seenUntil(m.Workload.DriverKind, "Pod")
	waited := end.At.Sub(m.Launched.At)
	f.cite(end, "nothing is seen of the application from here on")
	if waited > within {
		f.Measured = "never"
		w := Window{From: m.Launched.At, To: end.At, Least: waited, Bound: within, Kinds: []string{m.Workload.DriverKind, "Pod"}}
		return f.late(w, "the application had not ended %s after its launch%s", wording.Duration(waited), m.keptOpen())
	}
	return f.inconclusive("the application was watched for %s after its launch, less than the bound, and had not ended%s", wording.Duration(waited), m.keptOpen())
}

// assumeWork states that the application did something before it ended well: an exit code of 0 is no work.
func (f *finding) assumeWork(well Moment) {
	m := f.model
	for _, incarnation := range slices.Backward(m.Incarnations()) {
		if incarnation.Pod != nil && !incarnation.Pod.Finished.Never() && !incarnation.Pod.Succeeded {
			continue // it was another one that completed
		}
		for _, done := range m.work(incarnation) {
			f.cite(done, "%s has done work", incarnation)
			f.assume(true, "the incarnation that completed did work: a job, a task, a batch or a commit")
			return
		}
		f.assume(false, "the incarnation that completed did work: a job, a task, a batch or a commit (nothing of the kind is known of %s)", incarnation)
		return
	}
	f.assume(false, "an incarnation of the driver completed (none is known that did, at event %d)", well.Seq)
}

// work returns the first moments at which an incarnation had done something: a job, a task, a batch, a commit.
func (m *Model) work(i *Incarnation) []Moment {
	var all []Moment
	if i.Driver != nil {
		for _, done := range []Moment{i.Driver.JobsDone, i.Driver.FirstProgress} {
			if !done.Never() {
				all = append(all, done)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.Ledger.Commits)) {
		for _, commit := range m.Ledger.Commits[key] {
			if commit.Incarnation == i.UID {
				return append(all, commit.At)
			}
		}
	}
	return all
}

// keptOpen says what keeps a Job whose driver has succeeded from being complete: a pod of it that is being deleted and never goes,
// because its node is away. Empty if nothing of the kind is known.
func (m *Model) keptOpen() string {
	all := m.Incarnations()
	succeeded := slices.ContainsFunc(all, func(i *Incarnation) bool { return i.Pod != nil && i.Pod.Succeeded && !i.Pod.Finished.Never() })
	if !succeeded {
		return ""
	}
	for _, i := range all {
		if i.Pod != nil && !i.Pod.Terminating.Never() && i.Pod.Gone().Never() {
			return fmt.Sprintf("; a driver has succeeded, but pod %s on node %s is still being deleted, and its Job is complete only when it is gone: recover the fault of that node earlier", i.Name, cmp.Or(i.Node, "none"))
		}
	}
	return ""
}

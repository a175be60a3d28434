package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func completes() Definition {
	return Definition{
		Name: "completes",
		Doc: "The application succeeds within the bound, counted from its launch: the driver's Job or the operator's application is " +
			"complete, or a bare driver pod Succeeded. Its last driver has done work: a job, a task, a batch or a commit.",
		Args:     func() any { return &WithinArgs{} },
		Problems: withinProblems,
		Bound:    boundSince(scenario.SinceLaunch),
		New: func(args any) Checker {
			within := time.Duration(args.(*WithinArgs).Within)
			return CheckerFunc(func(m *model.Model) Result { return checkCompletes(m, within) })
		},
	}
}

// completed returns when the application ended well, and when and why it failed for good.
func completed(m *model.Model) (well, badly model.Moment, reason string) {
	if m.Kept() {
		job := m.Job()
		return job.Complete, job.Failed, job.Reason
	}
	all := m.Incarnations()
	for _, incarnation := range all {
		pod := incarnation.Pod
		if pod == nil || pod.Finished.Never() {
			continue
		}
		if pod.Succeeded {
			well.KeepEarlier(pod.Finished)
			continue
		}
		// One that was replaced, or whose owner may replace it, did not fail for good.
		if incarnation.Number == len(all) && pod.Owner.UID == "" {
			badly, reason = pod.Finished, "pod "+incarnation.Name+" Failed"
		}
	}
	return well, badly, reason
}

func checkCompletes(m *model.Model, within time.Duration) Result {
	f := NewFinding(m)
	f.Bound = wording.Duration(within)
	if !f.Assume(!m.Launched.Never(), "the workload was launched") {
		return f.Inconclusive("the workload was never launched")
	}
	f.Cite(m.Launched, "the workload was launched")
	well, badly, reason := completed(m)
	switch {
	case !well.Never() && !badly.Never() && m.Kept():
		f.Cite(well, "the application ended well")
		f.Cite(badly, "the application failed: %s", reason)
		f.Assume(false, "the %s had one end: it cannot be complete and have failed", m.Workload.DriverKind)
		return f.Inconclusive("the %s is told to be complete and to have failed, which excludes each other", m.Workload.DriverKind)
	case !well.Never():
		took := m.Lapse(m.Launched, well)
		f.Cite(well, "the application ended well")
		if took.Most <= within {
			f.assumeWork(well)
		}
		w := Window{From: m.Launched.At, To: well.At, Bound: within}
		return f.Within(took, w, fmt.Sprintf("the application ended well after %s", took),
			fmt.Sprintf("the application took %s, longer than %s", took, wording.Duration(within)))
	case !badly.Never():
		f.Measured = "failed"
		f.Cite(badly, "the application failed: %s", reason)
		return f.Proven("the application failed %s after its launch: %s", wording.Duration(badly.At.Sub(m.Launched.At)), reason)
	}
	end := m.SeenUntil(m.Workload.DriverKind, "Pod")
	waited := end.At.Sub(m.Launched.At)
	f.Cite(end, "nothing is seen of the application from here on")
	if waited > within {
		f.Measured = "never"
		w := Window{From: m.Launched.At, To: end.At, Least: waited, Bound: within, Kinds: []string{m.Workload.DriverKind, "Pod"}}
		return f.Late(w, "the application had not ended %s after its launch%s", wording.Duration(waited), keptOpen(m))
	}
	return f.Inconclusive("the application was watched for %s after its launch, less than the bound, and had not ended%s",
		wording.Duration(waited), keptOpen(m))
}

// assumeWork states that the application did something before it ended well: an exit code of 0 is no work.
func (f *Finding) assumeWork(well model.Moment) {
	m := f.model
	for _, incarnation := range slices.Backward(m.Incarnations()) {
		if incarnation.Pod != nil && !incarnation.Pod.Finished.Never() && !incarnation.Pod.Succeeded {
			continue // it was another one that completed
		}
		if alone(m) {
			f.assumeExecutorRan(incarnation)
			return
		}
		for _, done := range work(m, incarnation) {
			f.Cite(done, "%s has done work", incarnation)
			f.Assume(true, "the incarnation that completed did work: a job, a task, a batch or a commit")
			return
		}
		f.Assume(false, "the incarnation that completed did work: a job, a task, a batch or a commit (nothing of the kind is known of %s)",
			incarnation)
		return
	}
	f.Assume(false, "an incarnation of the driver completed (none is known that did, at event %d)", well.Seq)
}

// alone reports whether the workload runs without the witness.
func alone(m *model.Model) bool {
	p, err := readPlan(m.Run)
	return err == nil && p.alone
}

// assumeExecutorRan states all that Kubernetes shows of an incarnation's work.
func (f *Finding) assumeExecutorRan(incarnation *model.Incarnation) {
	for _, pod := range f.model.Executors(incarnation) {
		if !pod.Running.Never() {
			f.Cite(pod.Running, "executor %s of %s runs", pod.Name, incarnation)
			f.Assume(true, "an executor of the incarnation that completed ran (more is not known without the witness)")
			return
		}
	}
	f.Assume(false, "an executor of the incarnation that completed ran (none of %s did)", incarnation)
}

// work returns the first moments at which an incarnation had done something: a job, a task, a batch, a commit.
func work(m *model.Model, i *model.Incarnation) []model.Moment {
	var all []model.Moment
	if i.Driver != nil {
		for _, done := range []model.Moment{i.Driver.JobsDone, i.Driver.FirstProgress} {
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
func keptOpen(m *model.Model) string {
	all := m.Incarnations()
	succeeded := slices.ContainsFunc(all,
		func(i *model.Incarnation) bool { return i.Pod != nil && i.Pod.Succeeded && !i.Pod.Finished.Never() })
	if !succeeded {
		return ""
	}
	for _, i := range all {
		if i.Pod != nil && !i.Pod.Terminating.Never() && i.Pod.Gone().Never() {
			return fmt.Sprintf("; a driver has succeeded, but pod %s on node %s is still being deleted, and its Job is complete only when it is "+
				"gone: recover the fault of that node earlier", i.Name, cmp.Or(i.Node, "none"))
		}
	}
	return ""
}

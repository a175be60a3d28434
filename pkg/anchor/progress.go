package anchor

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// StageRunningArgs are the arguments of stageRunning.
type StageRunningArgs struct {
	Stage *int64 `json:"stage,omitempty" min:"0"` // Spark's stage id, from 0; absent: any stage
}

func stageRunningKind() Kind {
	return kindOf("stageRunning", "The driver of the live incarnation has submitted a stage that is not completed.", toProgress,
		StageRunningArgs{},
		func(a StageRunningArgs) string {
			if a.Stage == nil {
				return "a stage is running"
			}
			return fmt.Sprintf("stage %d is running", *a.Stage)
		},
		func(a StageRunningArgs) Anchor { return stageRunning{stage: a.Stage} })
}

type stageRunning struct{ stage *int64 }

// Reached implements Anchor.
func (a stageRunning) Reached(m *model.Model, since int64) (bool, []int64) {
	live := drivers(m).Live()
	if live == nil {
		return false, nil
	}
	newest := int64(0)
	for attempt, run := range m.Progress.Stages {
		runs := !run.Submitted.Never() && run.Completed.Never()
		if runs && attempt.Incarnation == live.UID && (a.stage == nil || *a.stage == attempt.Stage) {
			newest = max(newest, run.Submitted.Seq)
		}
	}
	if newest == 0 {
		return false, nil
	}
	return newer(since, live.Pod.Running.Seq, newest)
}

// Seen implements Anchor.
func (a stageRunning) Seen(m *model.Model, _ int64) string {
	stages := map[int64]bool{}
	submitted, completed := 0, 0
	for attempt, run := range m.Progress.Stages {
		if !run.Submitted.Never() {
			stages[attempt.Stage] = true
			submitted++
		}
		if !run.Completed.Never() {
			completed++
		}
	}
	return fmt.Sprintf("%s submitted%s, %s completed; %s", plural(submitted, "attempt of a stage was", "attempts of stages were"),
		listed(slices.Sorted(maps.Keys(stages))), plural(completed, "is", "are"), tell(m))
}

func tasksCompletedKind() Kind {
	return kindOf("tasksCompleted", "At least this many tasks have succeeded, in all incarnations together.", toProgress, AtLeast{AtLeast: 1},
		func(a AtLeast) string {
			return fmt.Sprintf("at least %s succeeded", plural(a.AtLeast, "task has", "tasks have"))
		},
		func(a AtLeast) Anchor {
			return counter{what: "tasks that succeeded", atLeast: a.AtLeast, of: func(p *model.Progress) []int64 { return p.Tasks }}
		})
}

func batchCompletedKind() Kind {
	return kindOf("batchCompleted", "At least this many streaming batches have completed, in all incarnations together.", toProgress,
		AtLeast{AtLeast: 1},
		func(a AtLeast) string {
			return fmt.Sprintf("at least %s completed", plural(a.AtLeast, "batch has", "batches have"))
		},
		func(a AtLeast) Anchor {
			return counter{what: "batches completed", atLeast: a.AtLeast, of: func(p *model.Progress) []int64 { return p.Batches }}
		})
}

// counter counts what happened after since.
type counter struct {
	what    string
	atLeast int
	of      func(*model.Progress) []int64 // the events that count, in their order
}

// after returns the events that count.
func (c counter) after(m *model.Model, since int64) []int64 {
	all := c.of(m.Progress)
	first, _ := slices.BinarySearch(all, since+1)
	return all[first:]
}

// Reached implements Anchor.
func (c counter) Reached(m *model.Model, since int64) (bool, []int64) {
	found := c.after(m, since)
	if len(found) < c.atLeast {
		return false, nil
	}
	return true, []int64{found[c.atLeast-1]}
}

// Seen implements Anchor.
func (c counter) Seen(m *model.Model, since int64) string {
	return fmt.Sprintf("%d of %d %s", min(len(c.after(m, since)), c.atLeast), c.atLeast, c.what)
}

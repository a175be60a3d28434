package anchor

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// StageRunningArgs are the arguments of stageRunning.
type StageRunningArgs struct {
	Stage *int64 `json:"stage,omitempty" min:"0"` // Spark's stage id, from 0; absent: any stage
}

func stageRunningKind() kind {
	return kindOf("stageRunning", "A stage was submitted by the live incarnation's driver and is not completed.", toProgress, StageRunningArgs{},
		func(a StageRunningArgs) string {
			if a.Stage == nil {
				return "a stage is running"
			}
			return fmt.Sprintf("stage %d is running", *a.Stage)
		},
		func(a StageRunningArgs, since int64) Anchor {
			return &stageRunning{stage: a.Stage, since: since, submitted: map[stageAttempt]int64{}, completed: map[stageAttempt]bool{}}
		})
}

type stageAttempt struct {
	incarnation    string
	stage, attempt int64
}

type stageRunning struct {
	drivers   drivers
	stage     *int64
	since     int64
	submitted map[stageAttempt]int64
	completed map[stageAttempt]bool
}

// Observe implements Anchor.
func (a *stageRunning) Observe(e history.Event) (bool, []int64) {
	a.drivers.observe(e)
	if r, ok := record(e, history.StageSubmitted, history.StageCompleted); ok && r.StageID != nil {
		key := stageAttempt{incarnation: r.Incarnation, stage: *r.StageID}
		if r.Attempt != nil {
			key.attempt = *r.Attempt
		}
		if _, known := a.submitted[key]; e.Type == history.StageSubmitted && !known {
			a.submitted[key] = e.Seq
		}
		if e.Type == history.StageCompleted {
			a.completed[key] = true
		}
	}
	live := a.drivers.live()
	if live == nil {
		return false, nil
	}
	newest := int64(0)
	for key, seq := range a.submitted {
		if key.incarnation == live.Metadata.UID && !a.completed[key] && (a.stage == nil || *a.stage == key.stage) {
			newest = max(newest, seq)
		}
	}
	if newest == 0 {
		return false, nil
	}
	return newer(a.since, live.running, newest)
}

// Seen implements Anchor.
func (a *stageRunning) Seen() string {
	stages := map[int64]bool{}
	for key := range a.submitted {
		stages[key.stage] = true
	}
	return fmt.Sprintf("%s submitted %v, %s completed; %s", plural(len(a.submitted), "attempt of a stage was", "attempts of stages were"),
		slices.Sorted(maps.Keys(stages)), plural(len(a.completed), "is", "are"), &a.drivers)
}

func tasksCompletedKind() kind {
	return kindOf("tasksCompleted", "At least so many tasks have succeeded, of all incarnations together.", toProgress, AtLeast{AtLeast: 1},
		func(a AtLeast) string {
			return fmt.Sprintf("at least %s succeeded", plural(a.AtLeast, "task has", "tasks have"))
		},
		func(a AtLeast, since int64) Anchor {
			return &counter{what: "tasks that succeeded", atLeast: a.AtLeast, since: since, key: succeededTask}
		})
}

// taskSucceeded is the reason with which Spark ends a task that did its work.
const taskSucceeded = "Success"

func succeededTask(e history.Event) (any, bool) {
	r, ok := record(e, history.TaskEnded)
	if !ok || r.TaskID == nil || r.Detail["reason"] != taskSucceeded {
		return nil, false
	}
	return [2]any{r.Incarnation, *r.TaskID}, true
}

func batchCompletedKind() kind {
	return kindOf("batchCompleted", "At least so many streaming batches have completed, of all incarnations together.", toProgress, AtLeast{AtLeast: 1},
		func(a AtLeast) string {
			return fmt.Sprintf("at least %s completed", plural(a.AtLeast, "batch has", "batches have"))
		},
		func(a AtLeast, since int64) Anchor {
			return &counter{what: "batches completed", atLeast: a.AtLeast, since: since, key: completedBatch}
		})
}

// completedBatch tells batches apart by their records: several queries of one driver count the same batch ids.
func completedBatch(e history.Event) (any, bool) {
	r, ok := record(e, history.BatchCompleted)
	if !ok || r.BatchID == nil {
		return nil, false
	}
	return [2]any{r.PodUID, r.Seq}, true
}

// counter counts what happened after since, each thing once though its record may arrive twice.
type counter struct {
	what    string
	atLeast int
	since   int64
	key     func(history.Event) (any, bool)
	counted map[any]bool
	reached []int64
	found   int
}

// Observe implements Anchor.
func (c *counter) Observe(e history.Event) (bool, []int64) {
	key, ok := c.key(e)
	if c.reached != nil || !ok || c.counted[key] {
		return c.reached != nil, c.reached
	}
	if c.counted == nil {
		c.counted = map[any]bool{}
	}
	c.counted[key] = true
	if e.Seq <= c.since {
		return false, nil
	}
	c.found++
	if c.found >= c.atLeast {
		c.reached = []int64{e.Seq}
	}
	return c.reached != nil, c.reached
}

// Seen implements Anchor.
func (c *counter) Seen() string {
	return fmt.Sprintf("%d of %d %s", c.found, c.atLeast, c.what)
}

package model

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Task is one attempt of a task as its driver tells it.
type Task struct {
	ID, Stage, Partition int64
	StageAttempt         string // counts from 0
	Executor             string // Spark's id
	Speculative          bool
	Started, Ended       Moment
	Reason               string // of its end, as Spark names it: Success, FetchFailed, ExecutorLostFailure …
}

func (t *Task) Succeeded() bool { return t.Reason == taskSucceeded }

// Stage is a stage of a driver's jobs with all its attempts.
type Stage struct {
	ID        int64
	Shuffle   string   // the shuffle whose map output it makes; empty if its tasks are the last ones
	Parents   []string // ids of the stages whose output it reads
	Completed Moment   // its first good end
}

// observeTasks notes stages and tasks. A record that came twice changes nothing.
func (p *Process) observeTasks(r *history.WitnessRecord, at Moment) {
	switch r.Type {
	case history.StageSubmitted, history.StageCompleted:
		if r.StageID != nil {
			p.observeStage(r, at)
		}
	case history.TaskStarted, history.TaskEnded:
		if r.TaskID != nil && r.StageID != nil && r.Partition != nil {
			p.observeTask(r, at)
		}
	}
}

func (p *Process) observeStage(r *history.WitnessRecord, at Moment) {
	stage := p.Stages[*r.StageID]
	if stage == nil {
		stage = &Stage{ID: *r.StageID, Shuffle: r.Detail["shuffleID"]}
		if parents := r.Detail["parents"]; parents != "" {
			stage.Parents = strings.Split(parents, ",")
		}
		p.Stages[*r.StageID] = stage
	}
	if r.Type == history.StageCompleted && r.Detail["result"] == "succeeded" {
		stage.Completed.KeepEarlier(at)
	}
}

func (p *Process) observeTask(r *history.WitnessRecord, at Moment) {
	task := p.Tasks[*r.TaskID]
	if task == nil {
		task = &Task{
			ID: *r.TaskID, Stage: *r.StageID, Partition: *r.Partition, StageAttempt: r.Detail["stageAttempt"], Executor: r.ExecutorID,
			Speculative: r.Detail["speculative"] == "true",
		}
		p.Tasks[*r.TaskID] = task
	}
	if r.Type == history.TaskStarted {
		task.Started.KeepEarlier(at)
		return
	}
	task.Ended.KeepEarlier(at)
	task.Reason = r.Detail["reason"]
}

// Reads reports whether the stage reads a shuffle of the same driver.
func (s *Stage) Reads(shuffle string, stages map[int64]*Stage) bool {
	return slices.ContainsFunc(s.Parents, func(parent string) bool {
		id, err := strconv.ParseInt(parent, 10, 64)
		return err == nil && stages[id] != nil && stages[id].Shuffle == shuffle
	})
}

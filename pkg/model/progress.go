package model

import "github.com/sparkchaos/sparkchaos/pkg/history"

// Progress is what drivers told of the application's work, for who waits for it. It is kept only with KeepProgress: a long stream has
// millions of tasks.
type Progress struct {
	// Tasks and Batches are the sequence numbers of the events that report tasks that succeeded and of streaming batches that were
	// completed, of all incarnations together, each task and batch once, in the order of the history.
	Tasks, Batches []int64
	Stages         map[StageAttempt]*StageRun
}

// StageAttempt identifies one attempt of a stage.
type StageAttempt struct {
	Incarnation    string // the driver pod's UID
	Stage, Attempt int64  // both count from 0
}

// StageRun is when an attempt of a stage was submitted and when it ended, well or not.
type StageRun struct{ Submitted, Completed Moment }

// KeepProgress keeps Progress.
func KeepProgress() Option {
	return func(m *Model) { m.Progress = &Progress{Stages: map[StageAttempt]*StageRun{}} }
}

// observe takes a driver's record; fresh reports whether it came for the first time.
func (p *Progress) observe(r *history.WitnessRecord, at Moment, fresh bool) {
	switch r.Type {
	case history.TaskEnded:
		if fresh && r.TaskID != nil && r.Detail["reason"] == taskSucceeded {
			p.Tasks = append(p.Tasks, at.Seq)
		}
	case history.BatchCompleted:
		if fresh && r.BatchID != nil {
			p.Batches = append(p.Batches, at.Seq)
		}
	case history.StageSubmitted, history.StageCompleted:
		if r.StageID != nil {
			p.observeStage(r, at)
		}
	}
}

func (p *Progress) observeStage(r *history.WitnessRecord, at Moment) {
	attempt := StageAttempt{Incarnation: r.Incarnation, Stage: *r.StageID}
	if attempt.Incarnation == "" {
		attempt.Incarnation = r.PodUID
	}
	if r.Attempt != nil {
		attempt.Attempt = *r.Attempt
	}
	run := p.Stages[attempt]
	if run == nil {
		run = &StageRun{}
		p.Stages[attempt] = run
	}
	if r.Type == history.StageSubmitted {
		run.Submitted.KeepEarlier(at)
		return
	}
	run.Completed.KeepEarlier(at)
}

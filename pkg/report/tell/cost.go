package tell

import (
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// Cost is what the faults of a run cost the application.
type Cost struct {
	Launched, Ended model.Moment
	Well            bool          // it ended well
	Took            time.Duration // from the launch to the end; 0 if it did not end
	Baseline        time.Duration // the same of the run without faults; 0 if it is not known

	Tasks     int // attempts that ended well
	Again     int // of these, attempts at work that had been done before
	Cut       int // attempts that ended badly, or not at all
	Lost      time.Duration
	LostFirst model.Moment // the first attempt that was lost or made again

	Batches      int // streaming batches that were completed, each counted as often as that
	BatchesAgain int

	// Standstill is the longest time, not over before the first fault, in which no task and no batch ended well.
	Standstill         time.Duration
	StandFrom, StandTo model.Moment

	Drivers, Executors int // that faults cost
}

// CostOf returns what the faults of a run cost.
func CostOf(m *model.Model) Cost {
	c := Cost{Launched: m.Launched}
	c.Ended, c.Well = ending(m)
	if !c.Ended.Never() && !c.Launched.Never() {
		c.Took = c.Ended.At.Sub(c.Launched.At)
	}
	if m.Baseline != nil {
		c.Baseline = m.Baseline.Took
	}
	all := m.Incarnations()
	c.Drivers, c.Executors = len(m.DriverLosses(all)), len(m.ExecutorLosses(all))
	c.countBatches(m, all)
	c.countTasks(all)
	c.standstill(m, all)
	return c
}

// ending returns when the application ended, and whether it ended well; Never if it did not end.
func ending(m *model.Model) (model.Moment, bool) {
	if m.Kept() {
		job := m.Job()
		if !job.Complete.Never() {
			return job.Complete, true
		}
		return job.Failed, false
	}
	var last model.Moment
	well := false
	for _, i := range m.Incarnations() {
		if i.Pod != nil && !i.Pod.Finished.Never() {
			last.KeepLater(i.Pod.Finished)
			well = i.Pod.Succeeded
		}
	}
	return last, well
}

// work identifies what a task computes, over the incarnations of one application.
type work struct{ stage, partition int64 }

// countTasks counts task attempts. Incarnations of a batch application number their stages alike, so the same stage and partition is the
// same work; the stages of a stream continue counting, and there the batches tell what was done again.
func (c *Cost) countTasks(all model.Incarnations) {
	done := map[work]bool{}
	for _, i := range all {
		if i.Driver == nil {
			continue
		}
		if c.Batches > 0 {
			clear(done)
		}
		for _, task := range ordered(i.Driver.Tasks) {
			switch {
			case !task.Succeeded():
				c.Cut++
				c.lose(task, i)
			case done[work{task.Stage, task.Partition}] && !task.Speculative:
				c.Tasks++
				c.Again++
				c.lose(task, i)
			default:
				c.Tasks++
				done[work{task.Stage, task.Partition}] = true
			}
		}
	}
}

// lose adds the time of an attempt to what was lost; one that did not end lasted as long as its driver gave signs of life.
func (c *Cost) lose(task *model.Task, i *model.Incarnation) {
	if task.Started.Never() {
		return
	}
	c.LostFirst.KeepEarlier(task.Started)
	end := task.Ended
	if end.Never() {
		end = i.Driver.Alive.Last()
	}
	c.Lost += max(0, end.At.Sub(task.Started.At))
}

// ordered returns tasks in the order in which they were started.
func ordered(tasks map[int64]*model.Task) []*model.Task {
	var all []*model.Task
	for _, task := range tasks {
		all = append(all, task)
	}
	slices.SortFunc(all, func(a, b *model.Task) int { return int(a.ID - b.ID) })
	return all
}

// countBatches counts completed batches, and those that more than one run of a query completed.
func (c *Cost) countBatches(m *model.Model, all model.Incarnations) {
	type batch struct {
		query string
		id    int64
	}
	times := map[batch]int{}
	for _, run := range m.Streams.Runs {
		if !slices.ContainsFunc(all, func(i *model.Incarnation) bool { return i.UID == run.Driver }) {
			continue
		}
		for _, b := range run.CompletedBatches() {
			times[batch{run.Query, b.ID}]++
		}
	}
	for _, i := range all {
		for id := range m.Streams.Batches[i.UID] {
			times[batch{"", id}]++
		}
	}
	for _, n := range times {
		c.Batches += n
		c.BatchesAgain += n - 1
	}
}

// standstill finds the longest time without progress that ended after the first fault began.
func (c *Cost) standstill(m *model.Model, all model.Incarnations) {
	landed := m.Landed()
	if len(landed) == 0 {
		return
	}
	signs := progress(m, all)
	if len(signs) == 0 || landed[0].Began.Before(signs[0]) {
		signs = slices.Insert(signs, 0, landed[0].Began)
	}
	for i := 1; i < len(signs); i++ {
		from, to := signs[i-1], signs[i]
		if took := to.At.Sub(from.At); to.At.After(landed[0].Began.At) && took > c.Standstill {
			c.Standstill, c.StandFrom, c.StandTo = took, from, to
		}
	}
}

// progress returns when tasks and batches ended well, in the order of time.
func progress(m *model.Model, all model.Incarnations) []model.Moment {
	var signs []model.Moment
	for _, i := range all {
		if i.Driver == nil {
			continue
		}
		for _, task := range i.Driver.Tasks {
			if task.Succeeded() && !task.Ended.Never() {
				signs = append(signs, task.Ended)
			}
		}
		for _, at := range m.Streams.Batches[i.UID] {
			signs = append(signs, at)
		}
	}
	slices.SortFunc(signs, func(a, b model.Moment) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	return signs
}

package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// outputKey names a map output of a driver.
type outputKey struct {
	shuffle   string
	partition int64
}

// String names the output in messages.
func (k outputKey) String() string {
	return fmt.Sprintf("map output %d of shuffle %s", k.partition, k.shuffle)
}

// hit is a fault that hit map output.
type hit struct {
	fault   *model.Fault
	book    *mapBook
	present []outputKey // map outputs of complete stages
	struck  []outputKey // those of them that were on what it hit
}

// rerun is a map output that was there and was computed again.
type rerun struct {
	story     *shuffleStory
	output    outputKey
	before    *model.Task // that had computed it last
	task      *model.Task
	after     *hit // the last one before it; nil if there was none
	explained bool // a fault between the two hit the executor that had it
	lost      bool // the executor that had it was lost between the two, whatever took it
}

// ownLoss reports whether the output was computed again since its executor was lost, which no fault had hit.
func (r rerun) ownLoss() bool { return r.lost && !r.explained && r.after != nil }

// shuffleStory is what happened to map outputs, as far as faults go.
type shuffleStory struct {
	incarnations model.Incarnations
	drivers      []string // drivers after the first, which compute everything again
	strangers    []string // executors with map output whose pods are not known
	speculative  bool
	hits         []*hit
	reruns       []rerun
}

func newShuffleStory(m *model.Model) *shuffleStory {
	s := &shuffleStory{incarnations: m.Incarnations()}
	books := map[*model.Incarnation]*mapBook{}
	for _, incarnation := range s.incarnations {
		if incarnation.Driver != nil {
			books[incarnation] = newMapBook(m, incarnation)
		}
	}
	for i, incarnation := range s.incarnations {
		if i > 0 {
			s.drivers = append(s.drivers, incarnation.Name)
		}
	}
	blows := m.DriverLosses(s.incarnations)
	for _, fault := range m.Landed() {
		victim := s.incarnations.Current(fault.Began.At)
		if victim == nil || books[victim] == nil {
			continue
		}
		if slices.ContainsFunc(blows, func(b model.DriverLoss) bool { return b.Fault == fault }) {
			continue
		}
		if h := hitOf(m, fault, books[victim]); len(h.struck) > 0 {
			s.hits = append(s.hits, h)
		}
	}
	for _, incarnation := range s.incarnations {
		book := books[incarnation]
		if book == nil {
			continue
		}
		s.strangers = append(s.strangers, book.strangers()...)
		s.speculative = s.speculative || book.speculative
		s.addReruns(m, book)
	}
	slices.SortStableFunc(s.reruns, func(a, b rerun) int { return a.task.Started.At.Compare(b.task.Started.At) })
	return s
}

// addReruns finds what was computed again after its stage had been complete.
func (s *shuffleStory) addReruns(m *model.Model, book *mapBook) {
	for _, key := range book.keys() {
		complete := book.complete[key.shuffle]
		for _, task := range book.runs[key] {
			before := book.holder(key, task.Started)
			if before == nil || complete.Never() || !complete.Before(task.Started) {
				continue
			}
			r := rerun{story: s, output: key, before: before, task: task, lost: book.lost(before, task)}
			for _, h := range s.hits {
				if h.book != book || h.fault.Began.At.After(task.Started.At) {
					continue
				}
				r.after = h
				if h.fault.Began.At.After(before.Ended.At) && strikesExecutor(m, h.fault, book.pods[before.Executor]) {
					r.explained = true
				}
			}
			s.reruns = append(s.reruns, r)
		}
	}
}

func hitOf(m *model.Model, fault *model.Fault, book *mapBook) *hit {
	h := &hit{fault: fault, book: book}
	for _, key := range book.keys() {
		if complete := book.complete[key.shuffle]; complete.Never() || complete.At.After(fault.Began.At) {
			continue
		}
		holder := book.holder(key, fault.Began)
		if holder == nil {
			continue
		}
		h.present = append(h.present, key)
		if takes(m, fault, book, book.pods[holder.Executor]) {
			h.struck = append(h.struck, key)
		}
	}
	return h
}

// strikesExecutor reports whether a fault hit an executor's map output: its pod, its node, or the shuffle service of its node.
func strikesExecutor(m *model.Model, fault *model.Fault, executor *model.Pod) bool {
	if executor == nil {
		return false
	}
	return fault.Hits(executor.UID, executor.Node) || slices.ContainsFunc(struckPods(m, fault), func(pod *model.Pod) bool {
		return pod.Component == model.ComponentShuffleService && pod.Node == executor.Node
	})
}

// takes reports whether a fault took away what served an executor's map output: the executor, or the shuffle service of its node. What goes
// on, however slowly, serves it still.
func takes(m *model.Model, fault *model.Fault, book *mapBook, executor *model.Pod) bool {
	if executor == nil {
		return false
	}
	if !m.Cost(fault, executor, m.Processes[executor.UID], book.driver.Stopping).Never() {
		return true
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
		pod := m.Pods[uid]
		if pod.Component == model.ComponentShuffleService && pod.Node == executor.Node && !m.Cost(fault, pod, nil, model.Moment{}).Never() {
			return true
		}
	}
	return false
}

func struckPods(m *model.Model, fault *model.Fault) []*model.Pod {
	var pods []*model.Pod
	for _, target := range fault.Targets {
		if pod := m.Pods[target.UID]; target.Kind == "Pod" && pod != nil {
			pods = append(pods, pod)
		}
	}
	return pods
}

// again returns the outputs that were computed again, each once.
func (s *shuffleStory) again() []outputKey {
	known := map[outputKey]bool{}
	var keys []outputKey
	for _, r := range s.reruns {
		if !known[r.output] {
			known[r.output] = true
			keys = append(keys, r.output)
		}
	}
	return keys
}

// outputs counts the map outputs of stages that were complete when the first fault hit.
func (s *shuffleStory) outputs() int { return len(s.hits[0].present) }

// struck counts the map outputs that any fault hit.
func (s *shuffleStory) struck() int {
	known := map[outputKey]bool{}
	for _, h := range s.hits {
		for _, key := range h.struck {
			known[key] = true
		}
	}
	return len(known)
}

// fetchFailures counts the tasks that could not fetch map output after the first fault.
func (s *shuffleStory) fetchFailures() int {
	n := 0
	for _, task := range s.hits[0].book.driver.Tasks {
		if task.Reason == "FetchFailed" && task.Ended.At.After(s.hits[0].fault.Began.At) {
			n++
		}
	}
	return n
}

// what says in words what the fault hit.
func (h *hit) what() string {
	return fmt.Sprintf("%d of %d map outputs", len(h.struck), len(h.present))
}

// reader returns the first task that started after the fault had landed and read one of the shuffles to a good end, on an
// executor that the fault did not hit: one beside a hit service reads its own node's files from the disk.
func (h *hit) reader(m *model.Model) *model.Task {
	var first *model.Task
	for _, task := range h.book.driver.Tasks {
		stage := h.book.driver.Stages[task.Stage]
		if stage == nil || !task.Succeeded() || task.Started.Never() || !task.Started.At.After(h.fault.Landed.At) ||
			strikesExecutor(m, h.fault, h.book.pods[task.Executor]) {
			continue
		}
		reads := slices.ContainsFunc(h.struck, func(key outputKey) bool { return stage.Reads(key.shuffle, h.book.driver.Stages) })
		if reads && (first == nil || cmp.Or(task.Started.At.Compare(first.Started.At), cmp.Compare(task.ID, first.ID)) < 0) {
			first = task
		}
	}
	return first
}

// notAgain returns the hit outputs that were not computed to a good end after the fault.
func (h *hit) notAgain() []outputKey {
	return slices.DeleteFunc(slices.Clone(h.struck), func(key outputKey) bool {
		return slices.ContainsFunc(h.book.runs[key], func(t *model.Task) bool {
			return t.Succeeded() && t.Started.At.After(h.fault.Began.At)
		})
	})
}

// cite cites what a good end rests on.
func (h *hit) cite(f *Finding, reader *model.Task) {
	key := h.struck[0]
	f.Cite(h.book.complete[key.shuffle], "all map output of shuffle %s is there", key.shuffle)
	f.Cite(h.fault.Began, "%s hits %s", h.fault.Name, h.what())
	for _, task := range h.book.runs[key] {
		if task.Started.At.After(h.fault.Began.At) {
			f.Cite(task.Started, "executor %s computes %s again", task.Executor, key)
			break
		}
	}
	f.Cite(reader.Ended, "task %d on executor %s, which started after it, has read the shuffle", reader.ID, reader.Executor)
}

// mapBook is what the map tasks of one driver did.
type mapBook struct {
	driver      *model.Process
	pods        map[string]*model.Pod       // executors' pods, by Spark's id
	runs        map[outputKey][]*model.Task // in the order of their starts
	complete    map[string]model.Moment     // when a shuffle's output was first there, by shuffle
	speculative bool
}

func newMapBook(m *model.Model, incarnation *model.Incarnation) *mapBook {
	b := &mapBook{driver: incarnation.Driver, pods: map[string]*model.Pod{}, runs: map[outputKey][]*model.Task{},
		complete: map[string]model.Moment{}}
	for _, pod := range m.Executors(incarnation) {
		b.pods[pod.ExecutorID] = pod
	}
	for _, stage := range b.driver.Stages {
		if complete := b.complete[stage.Shuffle]; stage.Shuffle != "" && !stage.Completed.Never() {
			complete.KeepEarlier(stage.Completed)
			b.complete[stage.Shuffle] = complete
		}
	}
	for _, task := range b.driver.Tasks {
		stage := b.driver.Stages[task.Stage]
		if stage == nil || stage.Shuffle == "" || task.Started.Never() {
			continue
		}
		key := outputKey{stage.Shuffle, task.Partition}
		b.runs[key] = append(b.runs[key], task)
		b.speculative = b.speculative || task.Speculative
	}
	for _, runs := range b.runs {
		slices.SortFunc(runs, func(a, b *model.Task) int {
			return cmp.Or(a.Started.At.Compare(b.Started.At), cmp.Compare(a.ID, b.ID))
		})
	}
	return b
}

// keys returns the outputs in a fixed order.
func (b *mapBook) keys() []outputKey {
	return slices.SortedFunc(maps.Keys(b.runs), func(x, y outputKey) int {
		return cmp.Or(cmp.Compare(x.shuffle, y.shuffle), cmp.Compare(x.partition, y.partition))
	})
}

// holder returns the task that had computed an output last when a moment came, nil if none had.
func (b *mapBook) holder(key outputKey, at model.Moment) *model.Task {
	var last *model.Task
	for _, task := range b.runs[key] {
		if task.Succeeded() && task.Ended.At.Before(at.At) &&
			(last == nil || cmp.Or(last.Ended.At.Compare(task.Ended.At), cmp.Compare(last.ID, task.ID)) < 0) {
			last = task
		}
	}
	return last
}

// lost reports whether the executor that had a map output was lost before it was computed again: its pod ended or was deleted, or the
// driver removed it.
func (b *mapBook) lost(before, again *model.Task) bool {
	var ends []model.Moment
	if pod := b.pods[before.Executor]; pod != nil {
		ends = append(ends, pod.EndedSince(before.Ended.At))
	}
	if registered := b.driver.Executors[before.Executor]; registered != nil {
		ends = append(ends, registered.Removed)
	}
	return slices.ContainsFunc(ends, func(end model.Moment) bool {
		return !end.Never() && !end.At.Before(before.Ended.At) && !end.At.After(again.Started.At)
	})
}

// strangers returns the executors that computed map output and whose pods are not known.
func (b *mapBook) strangers() []string {
	unknown := map[string]bool{}
	for _, runs := range b.runs {
		for _, task := range runs {
			if task.Succeeded() && b.pods[task.Executor] == nil {
				unknown["executor "+strconv.Quote(task.Executor)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(unknown))
}

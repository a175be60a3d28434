package check

import (
	"strconv"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// taskRun is a task of the story's driver: stage 0 makes the map output of shuffle 0, stage 1 reads it.
type taskRun struct {
	stage, attempt, partition int64
	executor                  string
	from, to                  time.Duration // to 0: it never ended
	reason                    string        // empty: Success
	speculative               bool
}

// shuffleRun is a job of four map tasks, two on each executor, complete at 12 s, and of reduce tasks. Executor 1 is on n2,
// executor 2 on n3; the driver is on n1.
type shuffleRun struct {
	mapDone time.Duration // 0: the map stage is never complete
	tasks   []taskRun
	twice   bool // every record comes by the disk, too
}

func usualRun() *shuffleRun {
	r := &shuffleRun{mapDone: 12 * second}
	for p := range int64(4) {
		r.add(taskRun{partition: p, executor: strconv.FormatInt(p%2+1, 10), from: 8 * second, to: 11 * second})
	}
	r.reads("2", 13*second)
	r.reads("2", 24*second)
	return r
}

func (r *shuffleRun) add(task taskRun) { r.tasks = append(r.tasks, task) }

// reads adds a reduce task that begins at a time.
func (r *shuffleRun) reads(executor string, at time.Duration) {
	r.add(taskRun{stage: 1, partition: int64(len(r.tasks)), executor: executor, from: at, to: at + second})
}

// again adds another attempt of a map task, to a good end.
func (r *shuffleRun) again(partition int64, executor string, at time.Duration) {
	r.add(taskRun{attempt: 1, partition: partition, executor: executor, from: at, to: at + second})
}

func (r *shuffleRun) tell(b *historytest.Builder) {
	self := history.WitnessRecord{Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", AppID: "spark-1", Incarnation: "d1"}
	say := func(at time.Duration, record history.WitnessRecord) {
		b.Witness(at+time.Millisecond, at, record)
		if r.twice {
			record.Via = "disk"
			b.Witness(at+50*second, at, record)
		}
	}
	stage := func(at time.Duration, eventType string, id int64, detail map[string]string) {
		record := self
		record.Type, record.StageID, record.Detail = eventType, &id, detail
		say(at, record)
	}
	stage(8*second, history.StageSubmitted, 0, map[string]string{"shuffleID": "0"})
	if r.mapDone > 0 {
		stage(r.mapDone, history.StageCompleted, 0, map[string]string{"shuffleID": "0", "result": "succeeded"})
	}
	stage(12*second+1, history.StageSubmitted, 1, map[string]string{"parents": "0"})
	for i, task := range r.tasks {
		id := int64(i)
		record := self
		record.StageID, record.TaskID, record.Partition, record.ExecutorID = &task.stage, &id, &task.partition, task.executor
		record.Type, record.Detail = history.TaskStarted, map[string]string{"stageAttempt": strconv.FormatInt(task.attempt, 10)}
		if task.speculative {
			record.Detail["speculative"] = "true"
		}
		say(task.from, record)
		if task.to > 0 {
			reason := task.reason
			if reason == "" {
				reason = "Success"
			}
			record.Type, record.Detail = history.TaskEnded, map[string]string{"reason": reason}
			say(task.to, record)
		}
	}
}

// shuffleCase turns the usual story into one in which the driver lives through it all; the fault hits what the targets say, at 20 s.
func shuffleCase(run *shuffleRun, targets ...history.Object) func(*historytest.Story) {
	return func(s *historytest.Story) {
		d := &s.Drivers[0]
		d.Silent, d.Terminating, d.Finished, d.Deleted = 44500*time.Millisecond, 0, 44600*time.Millisecond, 0
		d.Executors[0].Silent, d.Executors[0].Finished, d.Executors[0].Deleted = 20*second, 0, 21*second
		d.Executors[1].Silent, d.Executors[1].Finished, d.Executors[1].Deleted = 44*second, 45*second, 0
		s.Drivers = s.Drivers[:1]
		s.FaultKind, s.Targets, s.NotReady, s.Recovered = "podKill", targets, 0, 0
		s.Began, s.Landed = 20*second, 22*second
		s.Plan.(map[string]any)["steps"] = []any{
			map[string]any{"fault": historytest.FaultName, "action": "inject", "do": map[string]any{s.FaultKind: map[string]any{}}},
		}
		s.Extra = run.tell
	}
}

// with changes a run.
func (r *shuffleRun) with(change func(*shuffleRun)) *shuffleRun {
	change(r)
	return r
}

func podTarget(uid string) history.Object { return history.Object{Kind: "Pod", Name: uid, UID: uid} }

func nodeTarget(name string) history.Object { return history.Object{Kind: "Node", Name: name} }

// and tells a story with two twists.
func and(twists ...func(*historytest.Story)) func(*historytest.Story) {
	return func(s *historytest.Story) {
		for _, twist := range twists {
			twist(s)
		}
	}
}

// also adds events to what a story tells otherwise.
func also(more func(*historytest.Builder)) func(*historytest.Story) {
	return func(s *historytest.Story) {
		told := s.Extra
		s.Extra = func(b *historytest.Builder) {
			told(b)
			more(b)
		}
	}
}

// componentPod is a pod beside the application on a node.
func componentPod(uid, node, role string) func(*historytest.Builder) {
	return func(b *historytest.Builder) {
		b.Pod(2*second, history.Added, historytest.Pod{
			UID: uid, Name: uid, Namespace: historytest.Namespace, Node: node, OwnerKind: "DaemonSet", Owner: "ds", Phase: "Running",
			Labels: map[string]string{"sparkchaos.dev/role": role},
		})
	}
}

// killed is componentPod for one that the fault kills.
func killed(uid, node, role string) func(*historytest.Builder) {
	return func(b *historytest.Builder) {
		componentPod(uid, node, role)(b)
		b.Pod(21*second, history.Deleted, historytest.Pod{
			UID: uid, Name: uid, Namespace: historytest.Namespace, Node: node, OwnerKind: "DaemonSet", Owner: "ds", Phase: "Running", Deleting: true,
			Labels: map[string]string{"sparkchaos.dev/role": role},
		})
	}
}

// anotherDriver takes the first one's place at 41 s.
func anotherDriver(s *historytest.Story) {
	s.Drivers[0].Silent, s.Drivers[0].Finished, s.Drivers[0].Terminating = 40*second, 0, 40500*time.Millisecond
	s.Drivers = append(s.Drivers, historytest.Driver{UID: "d2", Node: "n3", Application: "spark-2", Created: 41 * second,
		Running: 42 * second, Started: 43 * second, Silent: 44 * second})
}

func TestShuffleSurvivesNone(t *testing.T) {
	t.Parallel()
	e1, none := podTarget("e1"), args{"recomputed": "none"}
	runInvariant(t, "shuffleSurvives", none, []invariantCase{
		{name: "served without its executor", want: Pass, measure: "0 of 4 again", says: "though 2 were hit; there were 0 failed",
			shows: []string{"all map output of shuffle 0 is there", "hits 2 of 4", "started after it, has read"},
			twist: shuffleCase(usualRun(), e1)},
		{name: "every record twice", want: Pass, measure: "0 of 4 again",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.twice = true }), e1)},
		{name: "failed fetches that succeed when tried again", want: Pass, says: "there was 1 failed",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
				r.add(taskRun{stage: 1, executor: "2", from: 21 * second, to: 23 * second, reason: "FetchFailed"})
			}), e1)},
		{name: "computed again", want: Violation, measure: "2 of 4 again",
			says:  "map output 0 of shuffle 0 was computed again after lose-driver-node, as were 1 more",
			shows: []string{"executor 1 has computed map output 0", "hits 2 of 4", "executor 2 computes map output 0 of shuffle 0 again"},
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.again(0, "2", 25*second); r.again(2, "2", 26*second) }), e1)},
		{name: "computed again, though nobody could end it", want: Violation, twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
			r.add(taskRun{partition: 0, executor: "2", from: 25 * second})
		}), e1)},
		{name: "another executor's output computed again", want: Violation, says: "map output 1",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.again(1, "2", 25*second) }), e1)},
		{name: "the node went with its output, and it survived", want: Pass, twist: shuffleCase(usualRun(), nodeTarget("n2"))},
		{name: "an executor that is only slowed down", want: Inconclusive, says: "nothing had to survive",
			twist: and(shuffleCase(usualRun(), podTarget("e2")), func(s *historytest.Story) {
				s.FaultKind = "cpuStress"
			})},
		{name: "the service of the executor's node", want: Pass, says: "2 were hit",
			twist: and(shuffleCase(usualRun(), podTarget("s2")), also(killed("s2", "n2", "shuffleService")))},
		{name: "a reader beside the service reads from the disk", want: Inconclusive, says: "nobody needed",
			twist: and(shuffleCase(usualRun().with(func(r *shuffleRun) { r.tasks[5].executor = "1" }), podTarget("s2")),
				also(killed("s2", "n2", "shuffleService")))},
		{name: "the service of a node without output", want: Inconclusive, says: "nothing had to survive",
			twist: and(shuffleCase(usualRun(), podTarget("s1")), also(componentPod("s1", "n1", "shuffleService")))},
		{name: "another pod on the executor's node", want: Inconclusive, says: "nothing had to survive",
			twist: and(shuffleCase(usualRun(), podTarget("other")), also(componentPod("other", "n2", "stagingServer")))},
		{name: "a map task that failed and was tried again before", want: Pass, twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
			r.add(taskRun{partition: 0, executor: "1", from: 7 * second, to: 8 * second, reason: "ExceptionFailure"})
		}), e1)},
		{name: "computed again before the fault", want: Inconclusive, says: "before any fault hit",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.again(0, "2", 15*second) }), e1)},
		{name: "map stage not complete", want: Inconclusive, says: "nothing had to survive",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.mapDone = 0 }), e1)},
		{name: "map stage complete only after the fault", want: Inconclusive, says: "nothing had to survive",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.mapDone = 21 * second }), e1)},
		{name: "run again while the stage was not complete", want: Inconclusive, twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
			r.mapDone = 30 * second
			r.again(0, "2", 25*second)
		}), e1)},
		{name: "nobody reads after the fault", want: Inconclusive, says: "nobody needed",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.tasks = r.tasks[:5] }), e1)},
		{name: "a reader that began before the fault had landed", want: Inconclusive, says: "nobody needed",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
				r.tasks = r.tasks[:5]
				r.reads("2", 21*second)
			}), e1)},
		{name: "a reader that failed", want: Inconclusive, says: "nobody needed", twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
			r.tasks[5].reason = "FetchFailed"
		}), e1)},
		{name: "a later task that reads no shuffle", want: Inconclusive, says: "nobody needed",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
				r.tasks[5].stage = 2
			}), e1)},
		{name: "an executor without output", want: Inconclusive, says: "nothing had to survive",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
				for i := range 4 {
					r.tasks[i].executor = "2"
				}
			}), e1)},
		{name: "the driver was a target, too, and keeps running", want: Pass, twist: shuffleCase(usualRun(), e1, podTarget("d1"))},
		{name: "another fault cost the driver", want: Inconclusive, says: "one driver ran to the end",
			twist: and(shuffleCase(usualRun(), e1), anotherDriver, also(func(b *historytest.Builder) {
				began := historytest.Epoch().Add(40 * second)
				b.Fault(41*second, history.FaultLanded, history.FaultData{Fault: "other", Targets: []history.Object{podTarget("d1")}, Began: &began})
			}))},
		{name: "no fault", want: Inconclusive, says: "nothing had to survive", twist: and(shuffleCase(usualRun(), e1), withoutFault)},
		{name: "a speculative map task", want: Inconclusive, says: "speculatively", twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
			r.add(taskRun{partition: 0, executor: "2", from: 10 * second, to: 12 * second, reason: "TaskKilled", speculative: true})
		}), e1)},
		{name: "an executor whose pod is not known", want: Inconclusive, says: `executor "9"`,
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.tasks[1].executor = "9" }), e1)},
		{name: "the driver's disk was not read", want: Inconclusive, says: "disk", twist: and(shuffleCase(usualRun(), e1), unreadDisk)},
		{name: "pods unseen for a while", want: Inconclusive, says: "no change of a pod",
			twist: and(shuffleCase(usualRun(), e1), also(func(b *historytest.Builder) {
				b.Add(15*second, history.Kubernetes, history.Gap, &history.Object{Kind: "Pod"}, history.GapData{Reason: "expired", For: second})
			}))},
	})
}

func TestShuffleSurvivesLost(t *testing.T) {
	t.Parallel()
	n2, lost := nodeTarget("n2"), args{"recomputed": "lost"}
	both := func(r *shuffleRun) { r.again(0, "2", 25*second); r.again(2, "2", 26*second); r.reads("2", 28*second) }
	runInvariant(t, "shuffleSurvives", lost, []invariantCase{
		{name: "exactly what was on the node", want: Pass, measure: "2 of 4 again", says: "exactly the 2 of 4",
			shows: []string{"executor 2 computes map output 0 of shuffle 0 again"},
			twist: shuffleCase(usualRun().with(both), n2)},
		{name: "an executor's own, without a service", want: Pass, twist: shuffleCase(usualRun().with(both), podTarget("e1"))},
		{name: "tried again after a failure", want: Pass, twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
			r.add(taskRun{attempt: 1, partition: 0, executor: "2", from: 23 * second, to: 24 * second, reason: "ExceptionFailure"})
			both(r)
		}), n2)},
		{name: "one that was not lost, too", want: Violation, measure: "3 of 4 again",
			says:  "map output 1 of shuffle 0 was computed again after lose-driver-node, which had not hit it on executor 2",
			shows: []string{"executor 2 has computed map output 1", "executor 2 computes map output 1 of shuffle 0 again"},
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { both(r); r.again(1, "2", 25*second) }), n2)},
		{name: "one whose executor failed by itself, too", want: Inconclusive,
			says: "map output 1 of shuffle 0 was computed again after executor 2, which had it, was lost, though no fault",
			twist: and(shuffleCase(usualRun().with(func(r *shuffleRun) { both(r); r.again(1, "1", 31*second) }), n2), func(s *historytest.Story) {
				s.Drivers[0].Executors[1].Silent, s.Drivers[0].Executors[1].Finished = 29*second, 30*second
			})},
		{name: "a real loss outranks that", want: Violation, says: "map output 0",
			twist: and(shuffleCase(usualRun().with(func(r *shuffleRun) {
				both(r)
				r.again(0, "2", 29*second)
				r.again(1, "1", 31*second)
			}), n2), func(s *historytest.Story) {
				s.Drivers[0].Executors[1].Silent, s.Drivers[0].Executors[1].Finished = 29*second, 30*second
			})},
		{name: "one of them twice", want: Violation, says: "map output 0",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { both(r); r.again(0, "2", 29*second) }), n2)},
		{name: "by a new service, then without a fault", want: Violation,
			says: "map output 0 of shuffle 0 was computed again after lose-driver-node, which had not hit it on executor 1",
			twist: and(shuffleCase(usualRun().with(func(r *shuffleRun) {
				r.again(0, "1", 25*second)
				r.again(2, "2", 26*second)
				r.again(0, "2", 29*second)
			}), podTarget("s2")), also(killed("s2", "n2", "shuffleService")))},
		{name: "one of them not", want: Inconclusive, says: "1 of the 2 map outputs that lose-driver-node hit was not computed again",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.again(0, "2", 25*second) }), n2)},
		{name: "one of them never to an end", want: Inconclusive, says: "1 of the 2", twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
			r.again(0, "2", 25*second)
			r.add(taskRun{attempt: 1, partition: 2, executor: "2", from: 26 * second})
		}), n2)},
		{name: "before the fault", want: Inconclusive, says: "before any fault hit",
			twist: shuffleCase(usualRun().with(func(r *shuffleRun) { r.again(0, "2", 15*second); both(r) }), n2)},
		{name: "nobody reads after it", want: Inconclusive, says: "nobody needed", twist: shuffleCase(usualRun().with(func(r *shuffleRun) {
			r.tasks = r.tasks[:5]
			r.again(0, "2", 25*second)
			r.again(2, "2", 26*second)
		}), n2)},
	})
}

func TestShuffleArguments(t *testing.T) {
	t.Parallel()
	d := shuffleSurvives()
	for value, want := range map[string]int{"none": 0, "lost": 0, "": 1, "all": 1} {
		if problems := d.Problems(&ShuffleArgs{Recomputed: value}); len(problems) != want {
			t.Errorf("recomputed %q: problems %q, want %d", value, problems, want)
		}
	}
}

// TestTasksAreKeptOnlyIfAskedFor keeps the memory of a long stream's history small.
func TestTasksAreKeptOnlyIfAskedFor(t *testing.T) {
	t.Parallel()
	for invariant, want := range map[string]int{"shuffleSurvives": 6, "completes": 0} {
		story := historytest.PowerOff(historytest.Expect(invariant, args{}))
		shuffleCase(usualRun(), podTarget("e1"))(story)
		_, events := judgeStory(t, story)
		model := model.New(model.KeepTasks(wantsTasks))
		for i := range events {
			model.Observe(&events[i])
		}
		if got := len(model.Processes["d1"].Tasks); got != want {
			t.Errorf("%d tasks are kept for %s, want %d", got, invariant, want)
		}
	}
}

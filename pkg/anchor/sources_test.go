package anchor

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// from returns the same event of another source.
func from(source history.Source, e history.Event) history.Event {
	e.Source = source
	return e
}

// about returns the same event about another kind of object.
func about(kind string, e history.Event) history.Event {
	object := *e.Object
	object.Kind = kind
	e.Object = &object
	return e
}

func artifacts(eventType, role, pod string) history.Event {
	r := history.WitnessRecord{Type: eventType, Role: role, PodName: pod, PodUID: pod + history.ArtifactsWriter, Seq: 1, WallMicros: 1}
	if eventType != history.ArtifactsFetching {
		r.Seq = 2
	}
	return event(history.Witness, eventType, nil, r)
}

// unnumbered is a record of something that succeeded, but that has no number.
func unnumbered(eventType string) history.Event {
	return said(eventType, "a", func(r *history.WitnessRecord) { r.Detail = map[string]string{"reason": "Success"} })
}

// TestSourcesAreToldApart shows anchors what would reach them, had it come from another source or about another thing.
func TestSourcesAreToldApart(t *testing.T) {
	t.Parallel()
	one := int64(1)
	launch, a := launched("Job", jobUID), running("a", "n1")
	withoutUID := event(history.Kubernetes, history.Added, &history.Object{Kind: "Pod"}, map[string]any{
		"metadata": map[string]any{"ownerReferences": []map[string]any{{"kind": "Job", "uid": jobUID, "controller": true}}},
		"status":   map[string]string{"phase": "Running"}})
	tests := map[string]struct {
		anchor string
		args   any
		since  int64
		events []history.Event
		want   at
		seen   string
	}{
		"driverInitializing: a driver begins to fetch": {
			"driverInitializing", &None{}, 0, []history.Event{artifacts(history.ArtifactsFetching, "driver", "d")},
			at{1: {1}}, "last seen of a driver's artifacts: pod d: artifactsFetching"},
		"driverInitializing: executors fetch too": {
			"driverInitializing", &None{}, 0, []history.Event{artifacts(history.ArtifactsFetching, "executor", "e")},
			at{}, "no driver has begun to fetch artifacts"},
		"driverInitializing: later steps are told, they do not reach it": {
			"driverInitializing", &None{}, 0, []history.Event{artifacts(history.ArtifactsFetching, "driver", "d"),
				artifacts(history.ArtifactsRefused, "driver", "d")},
			at{1: {1}}, "last seen of a driver's artifacts: pod d: artifactsRefused"},
		"driverInitializing: after since only": {
			"driverInitializing", &None{}, 1, []history.Event{artifacts(history.ArtifactsFetching, "driver", "d"),
				artifacts(history.ArtifactsFetching, "driver", "d2")},
			at{2: {2}}, "last seen of a driver's artifacts: pod d2: artifactsFetching"},
		"driverInitializing: another source": {
			"driverInitializing", &None{}, 0, []history.Event{from(history.Harness, artifacts(history.ArtifactsFetching, "driver", "d"))},
			at{}, "no driver has begun to fetch artifacts"},

		"driverRunning: a launch of another source": {
			"driverRunning", &None{}, 0, []history.Event{from(history.Witness, launch), a}, at{}, "no pod of the driver was seen"},
		"driverRunning: another event of the harness": {
			"driverRunning", &None{}, 0, []history.Event{event(history.Harness, history.Problem, nil,
				history.WorkloadData{DriverKind: "Job", DriverUID: jobUID}), a},
			at{}, "no pod of the driver was seen"},
		"driverRunning: a broken launch does not replace the one before": {
			"driverRunning", &None{}, 0, []history.Event{launch,
				{Source: history.Harness, Type: history.WorkloadLaunched, Data: json.RawMessage(`{"driverUID": "x", "driverKind": 1}`)}, a},
			at{3: {3}}, "incarnation 1 (pod pod-a) is Running on node n1, 1 event could not be read"},
		"driverRunning: without a launch nothing is the driver's": {
			"driverRunning", &None{}, 0, []history.Event{podEvent(history.Added,
				fakePod{uid: "p", phase: "Running", owner: [2]string{"Job", ""}})}, at{}, "no pod of the driver was seen"},
		"driverRunning: a pod of another source": {
			"driverRunning", &None{}, 0, []history.Event{launch, from(history.Harness, a)}, at{}, "no pod of the driver was seen"},
		"driverRunning: an object of another kind": {
			"driverRunning", &None{}, 0, []history.Event{launch, about("Job", a)}, at{}, "no pod of the driver was seen"},
		"driverRunning: an owner of another kind": {
			"driverRunning", &None{}, 0, []history.Event{launch,
				podEvent(history.Added, fakePod{uid: "a", phase: "Running", owner: [2]string{"ReplicaSet", jobUID}})},
			at{}, "no pod of the driver was seen"},
		"driverRunning: a pod's pod is no driver, whatever it is called": {
			"driverRunning", &None{}, 0, []history.Event{launched("Pod", "x"),
				podEvent(history.Added, fakePod{uid: "x", phase: "Running", owner: [2]string{"Pod", "other"}})},
			at{}, "no pod of the driver was seen"},
		"driverRunning: a pod without UID": {
			"driverRunning", &None{}, 0, []history.Event{launch, withoutUID}, at{}, "no pod of the driver was seen"},
		"driverRunning: a pod that is gone is not running, though it was never marked": {
			"driverRunning", &None{}, 0, []history.Event{launch, a, podEvent(history.Deleted, fakePod{uid: "a", node: "n1", phase: "Running"})},
			at{2: {2}}, "incarnation 1 (pod pod-a) is Running on node n1 and gone"},
		"driverRunning: a pod without node and phase": {
			"driverRunning", &None{}, 0, []history.Event{launch, pending("a", ""), podEvent(history.Modified, fakePod{uid: "a"})},
			at{}, "incarnation 1 (pod pod-a) is without a phase"},
		"driverRunning: all is read": {
			"driverRunning", &None{}, 0, []history.Event{launch, a}, at{2: {2}}, "incarnation 1 (pod pod-a) is Running on node n1"},

		"executorsRegistered: a record of another source": {
			"executorsRegistered", &ExecutorsRegisteredArgs{AtLeast: 1}, 0, []history.Event{launch, a, from(history.Node, registered("a", "1"))},
			at{}, "0 of 1 executor registered; incarnation 1 (pod pod-a) is Running on node n1"},
		"executorsRegistered: a record without executor": {
			"executorsRegistered", &ExecutorsRegisteredArgs{AtLeast: 1}, 0, []history.Event{launch, a, registered("a", "")},
			at{}, "0 of 1 executor registered; incarnation 1 (pod pod-a) is Running on node n1"},
		"executorsRegistered: a record that cannot be read": {
			"executorsRegistered", &ExecutorsRegisteredArgs{AtLeast: 1}, 0, []history.Event{launch, a,
				{Source: history.Witness, Type: history.ExecutorRegistered, Data: json.RawMessage(`{"incarnation":"a","executorID":"1","seq":"x"}`)}},
			at{}, "0 of 1 executor registered; incarnation 1 (pod pod-a) is Running on node n1"},
		"executorsRegistered: a driver's record without incarnation is its pod's": {
			"executorsRegistered", &ExecutorsRegisteredArgs{AtLeast: 1}, 0, []history.Event{launch, a,
				said(history.ExecutorRegistered, "", func(r *history.WitnessRecord) { r.PodUID, r.ExecutorID = "a", "1" })},
			at{3: {2, 3}}, "1 of 1 executor registered [1]; incarnation 1 (pod pod-a) is Running on node n1"},
		"executorsRegistered: an executor's pod is no incarnation": {
			"executorsRegistered", &ExecutorsRegisteredArgs{AtLeast: 1}, 0, []history.Event{launch, a,
				said(history.ExecutorRegistered, "", func(r *history.WitnessRecord) { r.Role, r.PodUID, r.ExecutorID = "executor", "a", "1" })},
			at{}, "0 of 1 executor registered; incarnation 1 (pod pod-a) is Running on node n1"},
		"executorsRegistered: the record's own incarnation counts, not its pod": {
			"executorsRegistered", &ExecutorsRegisteredArgs{AtLeast: 1}, 0, []history.Event{launch, a,
				said(history.ExecutorRegistered, "a", func(r *history.WitnessRecord) { r.PodUID, r.ExecutorID = "other", "1" })},
			at{3: {2, 3}}, "1 of 1 executor registered [1]; incarnation 1 (pod pod-a) is Running on node n1"},
		"executorsRegistered: the evidence is the newest registrations, in the order of events": {
			"executorsRegistered", &ExecutorsRegisteredArgs{AtLeast: 2}, 0,
			[]history.Event{launch, a, registered("a", "3"), registered("a", "2"), registered("a", "1"), registered("a", "3")},
			at{4: {2, 3, 4}, 5: {2, 4, 5}, 6: {2, 4, 5}}, "3 of 2 executors registered [1 2 3]; incarnation 1 (pod pod-a) is Running on node n1"},

		"stageRunning: a record without a number": {
			"stageRunning", &StageRunningArgs{}, 0, []history.Event{launch, a, said(history.StageSubmitted, "a", func(*history.WitnessRecord) {})},
			at{}, "0 attempts of stages were submitted, 0 are completed; incarnation 1 (pod pod-a) is Running on node n1"},
		"stageRunning: a stage without attempt is its first": {
			"stageRunning", &StageRunningArgs{}, 0, []history.Event{launch, a, stage(history.StageSubmitted, "a", 7, 0),
				said(history.StageCompleted, "a", func(r *history.WitnessRecord) { seven := int64(7); r.StageID = &seven })},
			at{3: {2, 3}}, "1 attempt of a stage was submitted [7], 1 is completed; incarnation 1 (pod pod-a) is Running on node n1"},
		"stageRunning: a completed stage was not submitted": {
			"stageRunning", &StageRunningArgs{}, 0, []history.Event{launch, a, stage(history.StageCompleted, "a", 1, 0)},
			at{}, "0 attempts of stages were submitted, 1 is completed; incarnation 1 (pod pod-a) is Running on node n1"},
		"stageRunning: a record that comes again is as old as the first": {
			"stageRunning", &StageRunningArgs{}, 3,
			[]history.Event{launch, a, stage(history.StageSubmitted, "a", 1, 0), stage(history.StageSubmitted, "a", 1, 0)},
			at{}, "1 attempt of a stage was submitted [1], 0 are completed; incarnation 1 (pod pod-a) is Running on node n1"},
		"stageRunning: without a live driver none runs": {
			"stageRunning", &StageRunningArgs{Stage: &one}, 0,
			[]history.Event{launch, stage(history.StageSubmitted, "a", 1, 0), deleting("a", "n1")},
			at{}, "1 attempt of a stage was submitted [1], 0 are completed; incarnation 1 (pod pod-a) is Running on node n1 and being deleted"},

		"tasksCompleted: one that has no number, and one of another source": {
			"tasksCompleted", &AtLeast{AtLeast: 1}, 0, []history.Event{unnumbered(history.TaskEnded),
				from(history.Fault, taskEnded("a", 1, "Success")),
				{Source: history.Witness, Type: history.TaskEnded, Data: json.RawMessage(`{"taskID":1,"detail":{"reason":"Success"},"seq":"x"}`)}},
			at{}, "0 of 1 tasks that succeeded"},
		"batchCompleted: one that has no number, and one of another source": {
			"batchCompleted", &AtLeast{AtLeast: 1}, 0, []history.Event{unnumbered(history.BatchCompleted), from(history.Fault, batch("a", 1, 1))},
			at{}, "0 of 1 batches completed"},
		"batchCompleted: each counts once, and only after since": {
			"batchCompleted", &AtLeast{AtLeast: 2}, 1,
			[]history.Event{batch("a", 1, 1), batch("a", 1, 1), batch("a", 2, 2), batch("a", 2, 2), batch("a", 3, 3)},
			at{5: {5}}, "2 of 2 batches completed"},

		"driverRescheduled: one that waits for a node is not rescheduled": {
			"driverRescheduled", &None{}, 0, []history.Event{launch, a, gone("a", "n1"), pending("b", ""), running("c", "n1")},
			at{}, "incarnation 1 (pod pod-a) is Running on node n1 and gone, incarnation 2 (pod pod-b) is Pending, incarnation 3"},
		"driverRescheduled: the evidence is when each was placed and ran": {
			"driverRescheduled", &None{}, 0, []history.Event{launch, pending("a", ""), pending("a", "n1"), a, gone("a", "n1"), pending("b", "n2"),
				running("b", "n2"), running("b", "n2")},
			at{7: {3, 7}, 8: {3, 7}}, "incarnation 1 (pod pod-a) is Running on node n1 and gone, incarnation 2 (pod pod-b) is Running on node n2"},

		"faultLanded: an event of another source": {
			"faultLanded", &FaultArgs{Fault: "x"}, 0, []history.Event{from(history.Harness, fault(history.FaultLanded, "x", ""))},
			at{}, "nothing was seen of the fault x"},
		"faultLanded: it stays landed, by the first event": {
			"faultLanded", &FaultArgs{Fault: "x"}, 0, []history.Event{fault(history.FaultLanded, "x", ""), fault(history.FaultRecovering, "x", ""),
				fault(history.FaultLanded, "x", "")},
			at{1: {1}, 2: {1}, 3: {1}}, "last seen of the fault x: landed"},

		"applicationCompleted: a Job of another source": {
			"applicationCompleted", &None{}, 0, []history.Event{launch,
				from(history.Harness, job("Complete"))}, at{}, "no pod of the driver was seen"},
		"applicationCompleted: an object of another kind": {
			"applicationCompleted", &None{}, 0, []history.Event{launch, about("CronJob", job("Complete"))}, at{}, "no pod of the driver was seen"},
		"applicationCompleted: an event about no object": {
			"applicationCompleted", &None{}, 0, []history.Event{launch,
				{Source: history.Kubernetes, Type: history.Modified, Data: job("Complete").Data}}, at{}, "no pod of the driver was seen"},
		"applicationCompleted: a condition that is not true": {
			"applicationCompleted", &None{}, 0, []history.Event{launch,
				event(history.Kubernetes, history.Modified, &history.Object{Kind: "Job", UID: jobUID}, map[string]any{
					"metadata": map[string]string{"uid": jobUID},
					"status":   map[string]any{"conditions": []map[string]string{{"type": "Complete", "status": "False"}}}})},
			at{}, "no pod of the driver was seen"},
		"applicationCompleted: the pod of a Job may succeed before the Job is complete": {
			"applicationCompleted", &None{}, 0, []history.Event{launch, podEvent(history.Added, fakePod{uid: "a", phase: "Succeeded"})},
			at{}, "incarnation 1 (pod pod-a) is Succeeded"},
		"applicationCompleted: a bare pod's end is the first event that shows it": {
			"applicationCompleted", &None{}, 0, []history.Event{launched("Pod", "p"),
				podEvent(history.Added, fakePod{uid: "p", phase: "Running", owner: [2]string{"none"}}),
				podEvent(history.Modified, fakePod{uid: "p", phase: "Succeeded", owner: [2]string{"none"}}),
				podEvent(history.Deleted, fakePod{uid: "p", phase: "Succeeded", owner: [2]string{"none"}})},
			at{3: {3}, 4: {3}}, "incarnation 1 (pod pod-p) is Succeeded and gone"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, got := run(t, scenario.Choice{Name: test.anchor, Args: test.args}, test.since, test.events)
			if diff := cmp.Diff(test.want, at(got)); diff != "" {
				t.Errorf("reached at event: evidence (-want +got):\n%s", diff)
			}
			if len(a.Seen()) < len(test.seen) || a.Seen()[:len(test.seen)] != test.seen {
				t.Errorf("seen is %q, want it to begin with %q", a.Seen(), test.seen)
			}
		})
	}
}

// TestWrongArguments gives each anchor arguments of another type, none, and a nil pointer.
func TestWrongArguments(t *testing.T) {
	t.Parallel()
	type other struct{}
	for _, entry := range Entries() {
		nilPointer := map[string]any{
			"executorsRegistered": (*ExecutorsRegisteredArgs)(nil), "stageRunning": (*StageRunningArgs)(nil),
			"tasksCompleted": (*AtLeast)(nil), "batchCompleted": (*AtLeast)(nil),
			"faultLanded": (*FaultArgs)(nil), "faultRecovered": (*FaultArgs)(nil),
		}[entry.Name]
		if nilPointer == nil {
			nilPointer = (*None)(nil)
		}
		for _, args := range []any{&other{}, nil, nilPointer} {
			if got := entry.Phrase(args); got != entry.Name {
				t.Errorf("%s: the phrase of %T is %q, want the name", entry.Name, args, got)
			}
			if a, err := New(scenario.Choice{Name: entry.Name, Args: args}); err == nil {
				t.Errorf("%s with %T is %T, want an error", entry.Name, args, a)
			}
		}
	}
}

func TestDefaultsAndPhrases(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"driverInitializing":   "the driver begins to fetch its artifacts",
		"driverRunning":        "the driver is running",
		"executorsRegistered":  "at least 1 executor is registered",
		"stageRunning":         "a stage is running",
		"tasksCompleted":       "at least 1 task has succeeded",
		"batchCompleted":       "at least 1 batch has completed",
		"driverRescheduled":    "the driver is running again on another node",
		"faultLanded":          "the fault  has landed",
		"faultRecovered":       "the fault  is undone",
		"applicationCompleted": "the application has completed",
	}
	got := map[string]string{}
	for _, entry := range Entries() {
		got[entry.Name] = entry.Phrase(entry.Args())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("phrases of the defaults (-want +got):\n%s", diff)
	}
	entry, _ := scenario.Find(Entries(), "executorsRegistered")
	for incarnation, want := range map[int]string{
		1: "at least 1 executor is registered",
		2: "at least 1 executor is registered with the driver's incarnation 2 or a later one",
	} {
		if got := entry.Phrase(&ExecutorsRegisteredArgs{AtLeast: 1, Incarnation: incarnation}); got != want {
			t.Errorf("incarnation %d: got %q, want %q", incarnation, got, want)
		}
	}
}

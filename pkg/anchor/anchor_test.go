package anchor

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// The fake workload's Job.
const jobUID = "job-uid"

// event makes an event; its Seq is set by number.
func event(source history.Source, eventType string, object *history.Object, data any) history.Event {
	encoded, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return history.Event{Source: source, Type: eventType, Object: object, Data: encoded}
}

func launched(kind, uid string) history.Event {
	return event(history.Harness, history.WorkloadLaunched, nil, history.WorkloadData{DriverKind: kind, DriverUID: uid})
}

// fakePod is a pod in one of its states.
type fakePod struct {
	uid, node, phase, created string
	deleting                  bool
	owner                     [2]string // kind and UID; none: the Job
}

func podEvent(eventType string, p fakePod) history.Event {
	created := p.created
	if created == "" {
		created = "0"
	}
	metadata := map[string]any{"name": "pod-" + p.uid, "uid": p.uid, "creationTimestamp": "2026-01-01T00:00:0" + created + "Z"}
	if p.deleting {
		metadata["deletionTimestamp"] = "2026-01-01T01:00:00Z"
	}
	switch p.owner {
	case [2]string{}:
		metadata["ownerReferences"] = []map[string]any{{"kind": "Job", "uid": jobUID, "controller": true}}
	case [2]string{"none"}:
	default:
		metadata["ownerReferences"] = []map[string]any{{"kind": p.owner[0], "uid": p.owner[1], "controller": true}}
	}
	data := map[string]any{"metadata": metadata, "spec": map[string]string{"nodeName": p.node}, "status": map[string]string{"phase": p.phase}}
	return event(history.Kubernetes, eventType, &history.Object{Kind: "Pod", Name: "pod-" + p.uid, UID: p.uid}, data)
}

func running(uid, node string) history.Event {
	return podEvent(history.Modified, fakePod{uid: uid, node: node, phase: "Running"})
}

func pending(uid, node string) history.Event {
	return podEvent(history.Added, fakePod{uid: uid, node: node, phase: "Pending"})
}

func deleting(uid, node string) history.Event {
	return podEvent(history.Modified, fakePod{uid: uid, node: node, phase: "Running", deleting: true})
}

func gone(uid, node string) history.Event {
	return podEvent(history.Deleted, fakePod{uid: uid, node: node, phase: "Running", deleting: true})
}

func job(conditions ...string) history.Event {
	var list []map[string]string
	for _, c := range conditions {
		list = append(list, map[string]string{"type": c, "status": "True"})
	}
	data := map[string]any{"metadata": map[string]string{"uid": jobUID}, "status": map[string]any{"conditions": list}}
	return event(history.Kubernetes, history.Modified, &history.Object{Kind: "Job", UID: jobUID}, data)
}

// said is a record of an incarnation's driver.
func said(eventType, incarnation string, change func(*history.WitnessRecord)) history.Event {
	r := history.WitnessRecord{Seq: 1000, WallMicros: 1, Type: eventType, Role: "driver", PodUID: incarnation, Incarnation: incarnation}
	change(&r)
	return event(history.Witness, eventType, nil, r)
}

func registered(incarnation, executor string) history.Event {
	return said(history.ExecutorRegistered, incarnation, func(r *history.WitnessRecord) { r.ExecutorID = executor })
}

func removed(incarnation, executor string) history.Event {
	return said(history.ExecutorRemoved, incarnation, func(r *history.WitnessRecord) { r.ExecutorID = executor })
}

func stage(eventType, incarnation string, id, attempt int64) history.Event {
	return said(eventType, incarnation, func(r *history.WitnessRecord) { r.StageID, r.Attempt = &id, &attempt })
}

func taskEnded(incarnation string, id int64, reason string) history.Event {
	return said(history.TaskEnded, incarnation, func(r *history.WitnessRecord) {
		r.TaskID, r.Detail, r.Seq = &id, map[string]string{"reason": reason}, id+1
	})
}

func batch(incarnation string, id, seq int64) history.Event {
	return said(history.BatchCompleted, incarnation, func(r *history.WitnessRecord) { r.BatchID, r.Seq = &id, seq })
}

func fault(eventType, name, reason string) history.Event {
	return event(history.Fault, eventType, nil, history.FaultData{Fault: name, Reason: reason})
}

func noise() []history.Event {
	return []history.Event{
		{Source: history.Kubernetes, Type: history.Modified, Object: &history.Object{Kind: "Pod"}, Data: json.RawMessage(`{`)},
		{Source: history.Kubernetes, Type: history.Modified, Object: &history.Object{Kind: "Pod"}},
		{Source: history.Kubernetes, Type: history.Gap, Object: &history.Object{Kind: "Pod"}, Data: json.RawMessage(`{"reason":"x"}`)},
		{Source: history.Kubernetes, Type: history.Modified, Object: &history.Object{Kind: "Job"}, Data: json.RawMessage(`[]`)},
		{Source: history.Kubernetes, Type: history.Added},
		{Source: history.Witness, Type: history.ExecutorRegistered, Data: json.RawMessage(`"x"`)},
		{Source: history.Witness, Type: history.TaskEnded, Data: json.RawMessage(`{}`)},
		{Source: history.Witness, Type: history.BatchCompleted, Data: json.RawMessage(`{}`)},
		{Source: history.Witness, Type: history.StageSubmitted, Data: json.RawMessage(`{}`)},
		{Source: history.Fault, Type: history.FaultLanded, Data: json.RawMessage(`[]`)},
		{Source: history.Harness, Type: history.WorkloadLaunched, Data: json.RawMessage(`"x"`)},
	}
}

// shown is an anchor with what it was shown.
type shown struct {
	anchor Anchor
	model  *model.Model
	since  int64
}

// Seen is what the anchor says about what it was shown.
func (s shown) Seen() string { return s.anchor.Seen(s.model, s.since) }

// run shows an anchor the events, numbered from 1, and tells in which of them it was reached and by what evidence.
func run(t *testing.T, choice scenario.Choice, since int64, events []history.Event) (shown, map[int64][]int64) {
	t.Helper()
	a, err := New(choice)
	if err != nil {
		t.Fatal(err)
	}
	m := model.New(model.KeepProgress())
	got := map[int64][]int64{}
	for i, e := range events {
		e.Seq = int64(i + 1)
		m.Observe(&e)
		if reached, evidence := a.Reached(m, since); reached {
			got[e.Seq] = evidence
		}
	}
	return shown{anchor: a, model: m, since: since}, got
}

type at map[int64][]int64

func TestAnchors(t *testing.T) {
	t.Parallel()
	two, twoExecutors := &AtLeast{AtLeast: 2}, &ExecutorsRegisteredArgs{AtLeast: 2}
	zero, one := int64(0), int64(1)
	tests := map[string]struct {
		anchor string
		args   any
		since  int64
		events []history.Event
		want   at
		seen   string // at the end
	}{
		"driverRunning: Pending does not count": {
			"driverRunning", &None{}, 0, []history.Event{launched("Job", jobUID), pending("a", ""), pending("a", "n1"), running("a", "n1")},
			at{4: {4}}, "incarnation 1 (pod pod-a) is Running on node n1"},
		"driverRunning: the pod may be seen before the launch is recorded": {
			"driverRunning", &None{}, 0, []history.Event{running("a", "n1"), launched("Job", jobUID)},
			at{2: {1}}, "incarnation 1 (pod pod-a) is Running on node n1"},
		"driverRunning: ends when the pod is being deleted": {
			"driverRunning", &None{}, 0, []history.Event{launched("Job", jobUID), running("a", "n1"), deleting("a", "n1"), gone("a", "n1")},
			at{2: {2}}, "incarnation 1 (pod pod-a) is Running on node n1 and gone"},
		"driverRunning: executors and strangers are no drivers": {
			"driverRunning", &None{}, 0, []history.Event{launched("Job", jobUID),
				podEvent(history.Added, fakePod{uid: "x", phase: "Running", owner: [2]string{"Pod", jobUID}}),
				podEvent(history.Added, fakePod{uid: "y", phase: "Running", owner: [2]string{"Job", "other"}}),
				podEvent(history.Added, fakePod{uid: "z", phase: "Running", owner: [2]string{"none"}})},
			at{}, "no pod of the driver was seen"},
		"driverRunning: a bare pod": {
			"driverRunning", &None{}, 0, []history.Event{launched("Pod", "p"),
				podEvent(history.Added, fakePod{uid: "p", node: "n1", phase: "Running", owner: [2]string{"none"}})},
			at{2: {2}}, "incarnation 1 (pod pod-p) is Running on node n1"},
		"driverRunning: after since only": {
			"driverRunning", &None{}, 2, []history.Event{launched("Job", jobUID), running("a", "n1"), deleting("a", "n1"), running("b", "n2")},
			at{4: {4}}, "incarnation 1 (pod pod-a) is Running on node n1 and being deleted, incarnation 2 (pod pod-b) is Running on node n2"},

		"executorsRegistered: counts those of the live incarnation": {
			"executorsRegistered", twoExecutors, 0, []history.Event{launched("Job", jobUID), running("a", "n1"), registered("a", "1"),
				registered("a", "2"),
				deleting("a", "n1"), running("b", "n2"), registered("b", "1"), registered("b", "2")},
			at{4: {2, 3, 4}, 8: {6, 7, 8}}, "2 of 2 executors registered [1 2]; "},
		"executorsRegistered: a record that comes twice counts once": {
			"executorsRegistered", twoExecutors, 0,
			[]history.Event{launched("Job", jobUID), running("a", "n1"), registered("a", "1"), registered("a", "1")},
			at{}, "1 of 2 executors registered [1]; "},
		"executorsRegistered: a removed one does not count, whatever the order": {
			"executorsRegistered", twoExecutors, 0, []history.Event{launched("Job", jobUID), running("a", "n1"), registered("a", "1"),
				removed("a", "2"), registered("a", "2"), registered("a", "10")},
			at{6: {2, 3, 6}}, "2 of 2 executors registered [1 10]; "},
		"executorsRegistered: losing one takes it back": {
			"executorsRegistered", twoExecutors, 0, []history.Event{launched("Job", jobUID), running("a", "n1"), registered("a", "1"),
				registered("a", "2"), removed("a", "1")},
			at{4: {2, 3, 4}}, "1 of 2 executors registered [2]; "},
		"executorsRegistered: nothing without a live driver": {
			"executorsRegistered", twoExecutors, 0,
			[]history.Event{launched("Job", jobUID), registered("a", "1"), registered("a", "2"), pending("a", "n1")},
			at{}, "incarnation 1 (pod pod-a) is Pending on node n1"},
		"executorsRegistered: the witness may be ahead of the watch": {
			"executorsRegistered", twoExecutors, 0,
			[]history.Event{launched("Job", jobUID), registered("a", "1"), registered("a", "2"), running("a", "n1")},
			at{4: {2, 3, 4}}, "2 of 2 executors registered [1 2]; "},
		"executorsRegistered: those of before since do not reach it": {
			"executorsRegistered", twoExecutors, 5, []history.Event{launched("Job", jobUID), running("a", "n1"), registered("a", "1"),
				registered("a", "2"), registered("a", "3"),
				deleting("a", "n1"), running("b", "n2"), registered("b", "1"), registered("b", "2")},
			at{9: {7, 8, 9}}, "2 of 2 executors registered [1 2]; "},

		"executorsRegistered: of a later incarnation": {
			"executorsRegistered", &ExecutorsRegisteredArgs{AtLeast: 1, Incarnation: 2}, 0, []history.Event{launched("Job", jobUID),
				running("a", "n1"), registered("a", "1"),
				deleting("a", "n1"), running("b", "n2"), registered("b", "1")},
			at{6: {5, 6}}, "1 of 1 executor registered [1]; "},

		"stageRunning: any stage, until it is completed": {
			"stageRunning", &StageRunningArgs{}, 0, []history.Event{launched("Job", jobUID), running("a", "n1"),
				stage(history.StageSubmitted, "a", 0, 0), stage(history.StageCompleted, "a", 0, 0)},
			at{3: {2, 3}}, "1 attempt of a stage was submitted [0], 1 is completed; "},
		"stageRunning: one stage, in any attempt": {
			"stageRunning", &StageRunningArgs{Stage: &one}, 0, []history.Event{launched("Job", jobUID), running("a", "n1"),
				stage(history.StageSubmitted, "a", 0, 0),
				stage(history.StageSubmitted, "a", 1, 0), stage(history.StageCompleted, "a", 1, 0), stage(history.StageSubmitted, "a", 1, 1)},
			at{4: {2, 4}, 6: {2, 6}}, "3 attempts of stages were submitted [0 1], 1 is completed; "},
		"stageRunning: a dead incarnation's stage does not run": {
			"stageRunning", &StageRunningArgs{Stage: &zero}, 0,
			[]history.Event{launched("Job", jobUID), running("a", "n1"), deleting("a", "n1"), running("b", "n2"),
				stage(history.StageSubmitted, "a", 0, 0)},
			at{}, "1 attempt of a stage was submitted [0], 0 are completed; "},

		"tasksCompleted: successes, each once": {
			"tasksCompleted", two, 0, []history.Event{taskEnded("a", 0, "Success"), taskEnded("a", 0, "Success"),
				taskEnded("a", 1, "ExecutorLostFailure"), taskEnded("b", 0, "Success")},
			at{4: {4}}, "2 of 2 tasks that succeeded"},
		"tasksCompleted: counts from since, and not again what came before": {
			"tasksCompleted", two, 2, []history.Event{taskEnded("a", 0, "Success"), taskEnded("a", 1, "Success"), taskEnded("a", 1, "Success"),
				taskEnded("a", 2, "Success"), taskEnded("a", 3, "Success"), taskEnded("a", 4, "Success")},
			at{5: {5}, 6: {5}}, "2 of 2 tasks that succeeded"},
		"batchCompleted: each record once": {
			"batchCompleted", two, 0, []history.Event{batch("a", 0, 7), batch("a", 0, 7), batch("b", 0, 7)},
			at{3: {3}}, "2 of 2 batches completed"},

		"driverRescheduled: Running on another node": {
			"driverRescheduled", &None{}, 0, []history.Event{launched("Job", jobUID), pending("a", "n1"), running("a", "n1"), deleting("a", "n1"),
				pending("b", ""), pending("b", "n2"), running("b", "n2"), running("b", "n2")},
			at{7: {2, 7}, 8: {2, 7}}, "incarnation 1 (pod pod-a) is Running on node n1 and being deleted, incarnation 2 (pod " +
				"pod-b) is Running on node n2"},
		"driverRescheduled: not on the same node": {
			"driverRescheduled", &None{}, 0, []history.Event{launched("Job", jobUID), running("a", "n1"), gone("a", "n1"), running("b", "n1")},
			at{}, "incarnation 1 (pod pod-a) is Running on node n1 and gone, incarnation 2 (pod pod-b) is Running on node n1"},
		"driverRescheduled: another node than the incarnation just before": {
			"driverRescheduled", &None{}, 4, []history.Event{launched("Job", jobUID), running("a", "n1"), gone("a", "n1"), running("b", "n2"),
				gone("b", "n2"), running("c", "n1")},
			at{6: {4, 6}}, "incarnation 1"},
		"driverRescheduled: an earlier fault's does not count": {
			"driverRescheduled", &None{}, 4, []history.Event{launched("Job", jobUID), running("a", "n1"), gone("a", "n1"), running("b", "n2"),
				running("b", "n2")},
			at{}, "incarnation 1"},
		"driverRescheduled: the order is that of creation": {
			"driverRescheduled", &None{}, 0, []history.Event{launched("Job", jobUID),
				podEvent(history.Added, fakePod{uid: "b", node: "n2", phase: "Running", created: "5"}),
				podEvent(history.Added, fakePod{uid: "a", node: "n1", phase: "Failed", created: "1"})},
			at{3: {3, 2}}, "incarnation 1 (pod pod-a) is Failed on node n1, incarnation 2 (pod pod-b)"},

		"faultLanded": {
			"faultLanded", &FaultArgs{Fault: "x"}, 0, []history.Event{fault(history.FaultLanded, "y", ""), fault(history.FaultInjecting, "x", ""),
				fault(history.FaultLanded, "x", ""), noise()[0]},
			at{3: {3}, 4: {3}}, "last seen of the fault x: landed"},
		"faultLanded: counts though it was before since": {
			"faultLanded", &FaultArgs{Fault: "x"}, 9, []history.Event{fault(history.FaultLanded, "x", "")},
			at{1: {1}}, "last seen of the fault x: landed"},
		"faultLanded: says why it did not": {
			"faultLanded", &FaultArgs{Fault: "x"}, 0, []history.Event{fault(history.FaultDidNotLand, "x", "no such node")},
			at{}, "last seen of the fault x: didNotLand: no such node"},
		"faultRecovered": {
			"faultRecovered", &FaultArgs{Fault: "x"}, 0,
			[]history.Event{fault(history.FaultLanded, "x", ""), fault(history.FaultRecovered, "x", "")},
			at{2: {2}}, "last seen of the fault x: recovered"},
		"faultRecovered: nothing seen": {
			"faultRecovered", &FaultArgs{Fault: "x"}, 0, []history.Event{fault(history.FaultRecovered, "y", "")},
			at{}, "nothing was seen of the fault x"},

		"applicationCompleted: the Job is complete": {
			"applicationCompleted", &None{}, 0, []history.Event{launched("Job", jobUID), job(),
				podEvent(history.Modified, fakePod{uid: "a", node: "n1",
					phase: "Succeeded"}), job("SuccessCriteriaMet"), job("Complete"), job("Complete")},
			at{5: {5}, 6: {5}}, "incarnation 1 (pod pod-a) is Succeeded on node n1"},
		"applicationCompleted: a failed Job is not": {
			"applicationCompleted", &None{}, 0, []history.Event{launched("Job", jobUID), job("Failed")},
			at{}, "no pod of the driver was seen"},
		"applicationCompleted: a bare pod succeeded": {
			"applicationCompleted", &None{}, 0, []history.Event{launched("Pod", "p"),
				podEvent(history.Added, fakePod{uid: "p", phase: "Running", owner: [2]string{"none"}}), podEvent(history.Modified,
					fakePod{uid: "p", phase: "Succeeded", owner: [2]string{"none"}})},
			at{3: {3}}, "incarnation 1 (pod pod-p) is Succeeded"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, got := run(t, scenario.Choice{Name: test.anchor, Args: test.args}, test.since, test.events)
			if diff := cmp.Diff(test.want, at(got)); diff != "" {
				t.Errorf("reached at event: evidence (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(a.Seen(), test.seen) {
				t.Errorf("seen is %q, want it to begin with %q", a.Seen(), test.seen)
			}
		})
	}
}

func TestEveryAnchorOutlivesNoise(t *testing.T) {
	t.Parallel()
	for _, entry := range Entries() {
		t.Run(entry.Name, func(t *testing.T) {
			t.Parallel()
			a, got := run(t, scenario.Choice{Name: entry.Name, Args: entry.Args()}, 0, noise())
			if len(got) > 0 {
				t.Errorf("reached by noise: %v", got)
			}
			if a.Seen() == "" {
				t.Error("says nothing of what it saw")
			}
		})
	}
}

func TestUnreadablePodsAreTold(t *testing.T) {
	t.Parallel()
	a, _ := run(t, scenario.Choice{Name: "driverRunning", Args: &None{}}, 0, append(noise(), launched("Job", jobUID), pending("a", "")))
	if want := "3 events could not be read"; !strings.Contains(a.Seen(), want) {
		t.Errorf("seen is %q, want it to say %q", a.Seen(), want)
	}
}

func TestEntriesAreComplete(t *testing.T) {
	t.Parallel()
	var names []string
	for _, entry := range Entries() {
		names = append(names, entry.Name)
		if entry.Doc == "" || entry.Deadline <= 0 {
			t.Errorf("%s: doc %q, deadline %s; want both", entry.Name, entry.Doc, entry.Deadline)
		}
		if phrase := entry.Phrase(entry.Args()); phrase == "" || phrase == entry.Name {
			t.Errorf("%s: phrase is %q, want words", entry.Name, phrase)
		}
		if phrase := entry.Phrase(nil); phrase != entry.Name {
			t.Errorf("%s: phrase without arguments is %q, want the name", entry.Name, phrase)
		}
		if first, second := entry.Args(), entry.Args(); first == second && entry.Name == "executorsRegistered" {
			t.Errorf("%s: Args returns the same pointer twice", entry.Name)
		}
	}
	want := []string{"driverInitializing", "driverRunning", "executorsRegistered", "stageRunning", "tasksCompleted", "batchCompleted",
		"driverRescheduled",
		"faultLanded", "faultRecovered", "applicationCompleted"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("anchors (-want +got):\n%s", diff)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, choice := range []scenario.Choice{
		{Name: "driverRuning", Args: &None{}},
		{Name: "driverRunning"},
		{Name: "driverRunning", Args: &AtLeast{}},
		{Name: "executorsRegistered", Args: (*AtLeast)(nil)},
	} {
		if a, err := New(choice); err == nil {
			t.Errorf("%+v gives %T, want an error", choice, a)
		}
	}
}

func TestPhrases(t *testing.T) {
	t.Parallel()
	three := int64(3)
	for want, choice := range map[string]scenario.Choice{
		"at least 1 executor is registered":           {Name: "executorsRegistered", Args: &ExecutorsRegisteredArgs{AtLeast: 1}},
		"at least 2 executors are registered":         {Name: "executorsRegistered", Args: &ExecutorsRegisteredArgs{AtLeast: 2}},
		"stage 3 is running":                          {Name: "stageRunning", Args: &StageRunningArgs{Stage: &three}},
		"at least 2 tasks have succeeded":             {Name: "tasksCompleted", Args: &AtLeast{AtLeast: 2}},
		"at least 1 batch has completed":              {Name: "batchCompleted", Args: &AtLeast{AtLeast: 1}},
		"the fault lose is undone":                    {Name: "faultRecovered", Args: &FaultArgs{Fault: "lose"}},
		"the driver is running again on another node": {Name: "driverRescheduled", Args: &None{}},
	} {
		entry, _ := scenario.Find(Entries(), choice.Name)
		if got := entry.Phrase(choice.Args); got != want {
			t.Errorf("%s: got %q, want %q", choice.Name, got, want)
		}
	}
}

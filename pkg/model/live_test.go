package model

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// uidOf names an incarnation, or nobody.
func uidOf(i *Incarnation) string {
	if i == nil {
		return ""
	}
	return i.UID
}

func TestLiveAndPlaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change       func(first, second *Pod)
		live, placed string
	}{
		"the newest of two that run": {func(_, _ *Pod) {}, "d2", "d2"},
		"the newer one initialises":  {func(_, second *Pod) { second.Running, second.Phase = Moment{}, "Pending" }, "d1", "d2"},
		"the newer one waits for a node": {func(_, second *Pod) {
			second.Placed, second.Running, second.Phase = Moment{}, Moment{},
				"Pending"
		}, "d1", "d1"},
		"the newer one is being deleted":      {func(_, second *Pod) { second.Terminating = ms(9_000) }, "d1", "d1"},
		"the newer one has ended":             {func(_, second *Pod) { second.Finished, second.Phase = ms(9_000), "Failed" }, "d1", "d1"},
		"the newer one is gone":               {func(_, second *Pod) { second.Deleted = ms(9_000) }, "d1", "d1"},
		"nobody knows whether the newer runs": {func(_, second *Pod) { second.Phase = "Unknown" }, "d1", "d2"},
		"the newer one initialises, no other": {func(first, second *Pod) { first.Deleted, second.Phase = ms(9_000), "Pending" }, "", "d2"},
		"both are gone":                       {func(first, second *Pod) { first.Deleted, second.Deleted = ms(9_000), ms(9_000) }, "", ""},
		"both wait for a node": {func(first, second *Pod) { *first, *second = Pod{Phase: "Pending"}, Pod{Phase: "Pending"} },
			"", ""},
		"the older one is the one that is new": {func(first, _ *Pod) { first.Added = ms(7_000) }, "d2", "d2"},
	} {
		m := New()
		first, second := driverAt(m, 1, "n1", 1_000), driverAt(m, 2, "n2", 5_000)
		first.Pod.Phase, second.Pod.Phase = "Running", "Running"
		c.change(first.Pod, second.Pod)
		all := Incarnations{first, second, {Number: 3, UID: "ghost", Driver: &Process{}}}
		if live, placed := uidOf(all.Live()), uidOf(all.Placed()); live != c.live || placed != c.placed {
			t.Errorf("%s: live %q, placed %q; want %q and %q", name, live, placed, c.live, c.placed)
		}
	}
}

// TestIncarnationsAreInTheOrderOfCreation has pods whose creation and first sight differ, as after a gap, and a driver that only the
// witness knows.
func TestIncarnationsAreInTheOrderOfCreation(t *testing.T) {
	t.Parallel()
	created := func(seconds int) time.Time { return historytest.Epoch().Add(time.Duration(seconds) * time.Second) }
	for name, c := range map[string]struct {
		created [2]time.Time // of d1, which is seen first, and d2
		want    []string
	}{
		"as they were seen":                  {[2]time.Time{created(1), created(2)}, []string{"d1", "w", "d2"}},
		"the older one is seen last":         {[2]time.Time{created(2), created(1)}, []string{"w", "d2", "d1"}},
		"of the same second":                 {[2]time.Time{created(1), created(1)}, []string{"d1", "w", "d2"}},
		"nobody says when one was created":   {[2]time.Time{created(2), {}}, []string{"d1", "w", "d2"}},
		"nobody says when they were created": {[2]time.Time{}, []string{"d1", "w", "d2"}},
	} {
		m := New()
		m.Launched, m.Workload = ms(1), history.WorkloadData{DriverKind: "Job", DriverUID: "j"}
		for i, at := range c.created {
			pod := driverAt(m, i+1, "n1", int64(1_000+4_000*i)).Pod
			pod.Created, pod.Owner = at, history.Object{Kind: "Job", UID: "j"}
		}
		m.Processes["w"] = &Process{PodUID: "w", Role: RoleDriver, Alive: Spans{{From: ms(3_000), To: ms(3_000)}}}
		var got []string
		for _, incarnation := range m.Incarnations() {
			got = append(got, incarnation.UID)
		}
		if diff := gocmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPodsThatDoNotStart(t *testing.T) {
	t.Parallel()
	waits := object{"state": object{"waiting": object{"reason": "ErrImagePull", "message": "no such image"}}}
	runs := object{"state": object{"running": object{"startedAt": historytest.Stamp(3 * second)}}}
	ended := object{"state": object{"terminated": object{"finishedAt": historytest.Stamp(4 * second)}}}
	for name, c := range map[string]struct {
		status       object
		unscheduled  string
		waiting      []ContainerWait
		initialising bool
	}{
		"no node": {object{"conditions": []any{object{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}}},
			"0/3 nodes", nil, false},
		"another condition": {object{"conditions": []any{object{"type": "Ready", "status": "False", "message": "not yet"}}}, "", nil,
			false},
		"a node was found": {object{"conditions": []any{object{"type": "PodScheduled", "status": "True", "message": "n1"}}}, "", nil,
			false},
		"a container waits": {object{"containerStatuses": []any{waits, runs}}, "", []ContainerWait{{"ErrImagePull", "no such image"}},
			false},
		"an init container waits": {object{"initContainerStatuses": []any{waits}}, "", []ContainerWait{{"ErrImagePull", "no such image"}},
			false},
		"an init container runs": {object{"initContainerStatuses": []any{runs}, "containerStatuses": []any{waits}}, "",
			[]ContainerWait{{"ErrImagePull", "no such image"}}, true},
		"an init container ended":  {object{"initContainerStatuses": []any{ended}}, "", nil, true},
		"a container runs, though": {object{"containerStatuses": []any{runs}}, "", nil, false},
	} {
		m := historytest.Observed(t, New(), func(b *historytest.Builder) {
			b.Object(second, history.Added, "Pod", "p", object{"metadata": object{"uid": "p"}, "status": c.status})
		})
		pod := m.Pods["p"]
		if pod.Unscheduled != c.unscheduled || pod.Initialising.Never() == c.initialising {
			t.Errorf("%s: unscheduled %q, initialising %v", name, pod.Unscheduled, pod.Initialising)
		}
		if diff := gocmp.Diff(c.waiting, pod.Waiting); diff != "" {
			t.Errorf("%s: waiting (-want +got):\n%s", name, diff)
		}
	}
}

func TestProgressIsKeptIfAskedFor(t *testing.T) {
	t.Parallel()
	one := int64(1)
	record := func(seq int64, eventType string, change func(*history.WitnessRecord)) history.Event {
		r := history.WitnessRecord{Type: eventType, Role: RoleDriver, PodUID: "d", Incarnation: "d", Seq: seq, WallMicros: 1_000_000 + seq,
			Detail: map[string]string{}}
		change(&r)
		return eventOf(t, r)
	}
	task := func(reason string) func(*history.WitnessRecord) {
		return func(r *history.WitnessRecord) { r.TaskID, r.Detail["reason"] = &one, reason }
	}
	events := []history.Event{
		record(1, history.StageSubmitted, func(r *history.WitnessRecord) { r.StageID = &one }),
		record(2, history.TaskEnded, task("Success")),
		record(2, history.TaskEnded, task("Success")),
		record(3, history.TaskEnded, task("FetchFailed")),
		record(4, history.TaskEnded, func(r *history.WitnessRecord) { r.Detail["reason"] = "Success" }),
		record(5, history.BatchCompleted, func(r *history.WitnessRecord) { r.BatchID = &one }),
		record(6, history.BatchCompleted, func(*history.WitnessRecord) {}),
		record(7, history.StageCompleted, func(r *history.WitnessRecord) { r.StageID, r.Attempt, r.Incarnation = &one, &one, "" }),
	}
	m, without := New(KeepProgress()), New()
	for i := range events {
		events[i].Seq = int64(i + 1)
		m.Observe(&events[i])
		without.Observe(&events[i])
	}
	if without.Progress != nil {
		t.Error("progress is kept though nobody asked for it")
	}
	if diff := gocmp.Diff([]int64{2}, m.Progress.Tasks); diff != "" {
		t.Errorf("tasks: %s", diff)
	}
	if diff := gocmp.Diff([]int64{6}, m.Progress.Batches); diff != "" {
		t.Errorf("batches: %s", diff)
	}
	got := map[StageAttempt][2]int64{}
	for attempt, run := range m.Progress.Stages {
		got[attempt] = [2]int64{run.Submitted.Seq, run.Completed.Seq}
	}
	if diff := gocmp.Diff(map[StageAttempt][2]int64{{"d", 1, 0}: {1, 0}, {"d", 1, 1}: {0, 8}}, got); diff != "" {
		t.Errorf("attempts of stages, submitted and completed: %s", diff)
	}
}

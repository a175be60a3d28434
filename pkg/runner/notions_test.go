package runner

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// podSight is a driver's pod as it is seen at a moment.
type podSight struct {
	at      int // seconds after the begin of the run
	uid     string
	phase   string
	node    string
	created int // seconds; 0: when the pod is seen first
	ending  bool
	gone    bool
	name    string // driver-UID if empty
	orphan  bool   // nobody owns it
}

// The workload of the instants, and when the newest event of each was.
const notionsNamespace, notionsJob, notionsEnd = "ns", "job-1", 30

// instant is a moment of a run, and the UID of the driver that each rule names then; empty if it names none.
type instant struct {
	bare                   bool // the driver is a bare pod with the UID d1 and the name driver-d1
	pods                   []podSight
	anchor, check, targets string
}

// instants returns the moments at which the rules for "the driver" differ, or could.
func instants() map[string]instant {
	pending := podSight{at: 1, uid: "d1", phase: "Pending"}
	initialises := podSight{at: 2, uid: "d1", phase: "Pending", node: "n1"}
	runs := podSight{at: 3, uid: "d1", phase: "Running", node: "n1"}
	ending := podSight{at: 10, uid: "d1", phase: "Running", node: "n1", ending: true}
	second := []podSight{{at: 11, uid: "d2", phase: "Pending"}, {at: 12, uid: "d2", phase: "Pending", node: "n2"},
		{at: 13, uid: "d2", phase: "Running", node: "n2"}}
	return map[string]instant{
		"nothing was seen":                 {},
		"Pending, without a node":          {pods: []podSight{pending}},
		"initialises on its node":          {pods: []podSight{pending, initialises}, check: "d1", targets: "d1"},
		"Running":                          {pods: []podSight{pending, initialises, runs}, anchor: "d1", check: "d1", targets: "d1"},
		"Terminating":                      {pods: []podSight{runs, ending}},
		"Terminating, its successor waits": {pods: append([]podSight{runs, ending}, second[:1]...)},
		"Terminating, its successor initialises": {
			pods: append([]podSight{runs, ending}, second[:2]...), check: "d2", targets: "d2"},
		"Terminating, its successor runs": {pods: append([]podSight{runs, ending}, second...), anchor: "d2", check: "d2", targets: "d2"},
		"Running beside one that waits":   {pods: append([]podSight{runs}, second[:1]...), anchor: "d1", check: "d1", targets: "d1"},
		"Running beside one that initialises": {
			pods: append([]podSight{runs}, second[:2]...), anchor: "d1", check: "d1", targets: "d1"},
		"two are Running": {pods: append([]podSight{runs}, second...), anchor: "d2", check: "d2", targets: "d2"},
		"Failed":          {pods: []podSight{runs, {at: 10, uid: "d1", phase: "Failed", node: "n1"}}},
		"Succeeded":       {pods: []podSight{runs, {at: 10, uid: "d1", phase: "Succeeded", node: "n1"}}},
		"its node is lost: the API server shows it as Running until it is evicted": {
			pods: []podSight{runs}, anchor: "d1", check: "d1", targets: "d1"},
		"its node is lost: phase Unknown after Running": {
			pods: []podSight{runs, {at: 10, uid: "d1", phase: "Unknown", node: "n1"}}, check: "d1", targets: "d1"},
		"gone without ever being Terminating": {pods: []podSight{runs, {at: 10, uid: "d1", phase: "Running", node: "n1", gone: true}}},
		"seen first as Running and Terminating": {
			pods: []podSight{ending}},
		"two of the same second, the newer seen last": {
			pods: []podSight{{at: 3, uid: "d2", phase: "Running", node: "n1", created: 3},
				{at: 4, uid: "d1", phase: "Running", node: "n2", created: 3}},
			anchor: "d1", check: "d1", targets: "d1"},
		"the older one is seen last, as after a gap": {
			pods: []podSight{{at: 4, uid: "d2", phase: "Running", node: "n2", created: 4},
				{at: 5, uid: "d1", phase: "Running", node: "n1", created: 1}},
			anchor: "d2", check: "d2", targets: "d2"},
		"a bare pod": {bare: true, pods: []podSight{{at: 3, uid: "d1", phase: "Running", node: "n1", orphan: true}}, anchor: "d1", check: "d1",
			targets: "d1"},
		"another pod with the bare pod's name": {
			bare: true, pods: []podSight{{at: 3, uid: "d9", name: "driver-d1", phase: "Running", node: "n1",
				orphan: true}}, anchor: "d9", check: "d9", targets: "d9"},
		"a pod without owner beside a Job": {pods: []podSight{{at: 3, uid: "d1", phase: "Running", node: "n1", orphan: true}}},
	}
}

// history tells the instant.
func (i instant) history(t *testing.T) []byte {
	t.Helper()
	b := historytest.New()
	run, err := historytest.RunData(map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	b.Harness(0, history.RunStarted, run)
	workload := history.WorkloadData{Namespace: notionsNamespace, DriverKind: scenario.DriverJob, DriverUID: notionsJob, DriverName: "driver"}
	if i.bare {
		workload = history.WorkloadData{Namespace: notionsNamespace, DriverKind: scenario.DriverPod, DriverUID: "d1", DriverName: "driver-d1"}
	}
	b.Harness(500*time.Millisecond, history.WorkloadLaunched, workload)
	known := map[string]bool{}
	for _, s := range i.pods {
		eventType := history.Modified
		switch {
		case s.gone:
			eventType = history.Deleted
		case !known[s.uid]:
			eventType = history.Added
		}
		known[s.uid] = true
		object, data := s.object()
		b.Add(time.Duration(s.at)*time.Second, history.Kubernetes, eventType, object, data)
	}
	b.Harness(notionsEnd*time.Second, history.Problem, history.ProblemData{What: "the clock continues"})
	content, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// object is the pod as the API server shows it.
func (s podSight) object() (*history.Object, map[string]any) {
	name, created := s.name, s.created
	if name == "" {
		name = "driver-" + s.uid
	}
	if created == 0 {
		created = 1
		if s.uid == "d2" {
			created = 11
		}
	}
	metadata := map[string]any{
		"uid": s.uid, "name": name, "namespace": notionsNamespace,
		"creationTimestamp": historytest.Epoch().Add(time.Duration(created) * time.Second).Format(time.RFC3339),
	}
	if !s.orphan {
		metadata["ownerReferences"] = []map[string]any{{"kind": "Job", "name": "driver", "uid": notionsJob, "controller": true}}
	}
	if s.ending {
		metadata["deletionTimestamp"] = historytest.Epoch().Add(time.Duration(s.at) * time.Second).Format(time.RFC3339)
	}
	data := map[string]any{"metadata": metadata, "spec": map[string]any{"nodeName": s.node}, "status": map[string]any{"phase": s.phase}}
	return &history.Object{Kind: "Pod", Namespace: notionsNamespace, Name: name, UID: s.uid}, data
}

// TestWhoIsTheDriver pins what the rules of anchors, of the judgement and of targets say about the same moments: model.Incarnations
// has them as Live, as Current and as Live or Placed.
func TestWhoIsTheDriver(t *testing.T) {
	t.Parallel()
	for name, tt := range instants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content := tt.history(t)
			want := map[string]string{"anchor": tt.anchor, "check": tt.check, "targets": tt.targets}
			got := map[string]string{"anchor": driverOfAnchor(t, content), "check": driverOfCheck(t, content),
				"targets": driverOfTargets(t, content)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the driver (-want +got):\n%s", diff)
			}
		})
	}
}

// driverOfAnchor returns the driver whose executors the anchors count: the one with which a registration counts.
func driverOfAnchor(t *testing.T, content []byte) string {
	t.Helper()
	entry, _ := scenario.Find(anchor.Entries(), "executorsRegistered")
	a, err := anchor.New(scenario.Choice{Name: entry.Name, Args: entry.Args()})
	if err != nil {
		t.Fatal(err)
	}
	for _, uid := range []string{"d1", "d2", "d9"} {
		m, events := modelOf(t, content)
		m.Observe(&history.Event{Seq: int64(len(events)) + 1, Source: history.Witness, Type: history.ExecutorRegistered,
			Data: []byte(`{"seq":1,"wallMicros":1,"type":"executorRegistered","role":"driver","podUID":"` + uid + `","incarnation":"` + uid +
				`","executorID":"1"}`)})
		if reached, _ := a.Reached(m, 0); reached {
			return uid
		}
	}
	return ""
}

func driverOfCheck(t *testing.T, content []byte) string {
	t.Helper()
	m, _ := modelOf(t, content)
	if driver := m.Incarnations().Current(historytest.Epoch().Add(notionsEnd * time.Second)); driver != nil {
		return driver.UID
	}
	return ""
}

func driverOfTargets(t *testing.T, content []byte) string {
	t.Helper()
	m, _ := modelOf(t, content)
	driver, err := targets{live: &live{model: m}}.Driver()
	if err != nil {
		return ""
	}
	return driver.UID
}

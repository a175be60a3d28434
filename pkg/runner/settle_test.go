package runner

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/faults/machine"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// driverPod is an event about a pod of the Job that created it so many seconds after the others.
type driverPod struct {
	eventType, uid, node, phase string
	created                     int
	terminating                 bool
	job                         string // "job" if empty
}

func (p driverPod) append(t *testing.T, log *history.Writer) {
	t.Helper()
	job := p.job
	if job == "" {
		job = "job"
	}
	at := time.Date(2026, 1, 2, 3, 4, p.created, 0, time.UTC).Format(time.RFC3339)
	metadata := map[string]any{
		"uid": p.uid, "name": "pod-" + p.uid, "namespace": "r", "creationTimestamp": at,
		"ownerReferences": []any{map[string]any{"kind": "Job", "uid": job, "controller": true}},
	}
	if p.terminating {
		metadata["deletionTimestamp"] = at
	}
	object := &history.Object{Kind: "Pod", Namespace: "r", Name: "pod-" + p.uid, UID: p.uid}
	data := map[string]any{"metadata": metadata, "spec": map[string]any{"nodeName": p.node}, "status": map[string]any{"phase": p.phase}}
	if _, err := log.Append(history.Kubernetes, p.eventType, object, data); err != nil {
		t.Fatal(err)
	}
}

func launchedJob(t *testing.T, log *history.Writer) {
	t.Helper()
	if _, err := log.Append(history.Harness, history.WorkloadLaunched, nil,
		history.WorkloadData{Namespace: "r", DriverKind: "Job", DriverUID: "job"}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatKeepsAJobFromBeingComplete(t *testing.T) {
	t.Parallel()
	dead := driverPod{eventType: history.Modified, uid: "d1", node: "n1", phase: "Running", terminating: true}
	done := driverPod{eventType: history.Modified, uid: "d2", node: "n2", phase: "Succeeded", created: 20}
	with := func(p driverPod, change func(*driverPod)) driverPod {
		change(&p)
		return p
	}
	const held = "pod pod-d1 stays Terminating on node n1, which fault strike holds"
	for name, tt := range map[string]struct {
		pods []driverPod
		want string
	}{
		"the dead driver's pod alone": {[]driverPod{dead, done}, held},
		"in the other order":          {[]driverPod{done, dead}, held},
		"the new driver still runs":   {[]driverPod{dead, with(done, func(p *driverPod) { p.phase = "Running" })}, ""},
		"the new driver failed":       {[]driverPod{dead, with(done, func(p *driverPod) { p.phase = "Failed" })}, ""},
		"the dead driver's pod is gone": {[]driverPod{dead, done, with(dead, func(p *driverPod) { p.eventType = history.Deleted })},
			""},
		"its node is not held":                    {[]driverPod{with(dead, func(p *driverPod) { p.node = "n3" }), done}, ""},
		"nobody wants it away":                    {[]driverPod{with(dead, func(p *driverPod) { p.terminating = false }), done}, ""},
		"it has ended":                            {[]driverPod{with(dead, func(p *driverPod) { p.phase = "Failed" }), done}, ""},
		"another Job's":                           {[]driverPod{with(dead, func(p *driverPod) { p.job = "other" }), done}, ""},
		"one is held, another one ends by itself": {[]driverPod{dead, with(dead, func(p *driverPod) { p.uid, p.node = "d0", "n3" }), done}, ""},
		"the older one succeeded, the newest runs": {[]driverPod{dead, done,
			with(done, func(p *driverPod) { p.uid, p.created, p.phase = "d3", 40, "Running" })}, ""},
		"nothing was seen": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := Directory(t.TempDir())
			r := runOn(t, newLimitedFile(t, directory), directory, newFakeMachines("n1"), fakeAPI())
			launchedJob(t, r.log)
			for _, pod := range tt.pods {
				pod.append(t, r.log)
			}
			atMost := 50 * time.Millisecond
			if tt.want != "" {
				atMost = time.Minute
			}
			got, err := r.session.awaitEnding(t.Context(), atMost, func(node string) string {
				if node == "n1" {
					return "strike"
				}
				return ""
			})
			if diff := cmp.Diff(tt.want, got.held); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// completing is a cluster on which a driver's Job completes once its dead pod's node is back.
type completing struct {
	*fakeMachines
	complete func()
}

func (c completing) Do(ctx context.Context, action cluster.Action, name string) (cluster.Evidence, error) {
	evidence, err := c.fakeMachines.Do(ctx, action, name)
	if action == cluster.PowerOn && err == nil {
		c.complete()
	}
	return evidence, err
}

// TestAScenarioWithoutRecoverEndsWithItsApplication: the application has done its work, and the plan undoes the fault only
// when it has settled.
func TestAScenarioWithoutRecoverEndsWithItsApplication(t *testing.T) {
	t.Parallel()
	directory := Directory(t.TempDir())
	machines := newFakeMachines("n1", "n2")
	client := fakeAPI(readyNode("n1"))
	r := runOn(t, newLimitedFile(t, directory), directory, machines, client)
	r.session.launched = time.Now()
	r.Plan.Settle = scenario.Duration(time.Hour)
	completes := completing{machines, func() {
		driverPod{eventType: history.Deleted, uid: "d1", node: "n1", phase: "Failed", terminating: true}.append(t, r.log)
		object := &history.Object{Kind: "Job", Namespace: "r", Name: "driver", UID: "job"}
		data := map[string]any{"metadata": map[string]any{"uid": "job"},
			"status": map[string]any{"conditions": []any{map[string]any{"type": "Complete", "status": "True"}}}}
		if _, err := r.log.Append(history.Kubernetes, history.Modified, object, data); err != nil {
			t.Error(err)
		}
	}}
	fault, err := catalogue.All().Disturbance("strike", "nodePowerOff", "", &machine.NodePowerOffArgs{Node: scenario.NodeSelector{Name: "n1"}},
		faults.Env{
			Run: "r", ClusterKind: "fake", Namespace: "r", Machines: completes, Client: client, Emitter: r.log, Journal: r.journal,
			PollEvery: time.Millisecond,
		})
	if err != nil {
		t.Fatal(err)
	}
	r.disturbed = []*faults.Disturbance{fault}
	if name := r.holds("n1"); name != "" {
		t.Errorf("a fault that was not injected holds the node: %s", name)
	}
	launchedJob(t, r.log)
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.holds("n1") != "strike" || r.holds("n2") != "" {
		t.Errorf("n1 is held by %q, n2 by %q; want hit and nothing", r.holds("n1"), r.holds("n2"))
	}
	driverPod{eventType: history.Modified, uid: "d1", node: "n1", phase: "Running", terminating: true}.append(t, r.log)
	driverPod{eventType: history.Modified, uid: "d2", node: "n2", phase: "Succeeded", created: 20}.append(t, r.log)

	if err := r.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fault.State() != faults.Recovered || r.holds("n1") != "" {
		t.Errorf("the fault is %s, the node is held by %q", fault.State(), r.holds("n1"))
	}
	if m, _ := readBack(t, directory.History()); m.Job().Complete.Never() {
		t.Error("the run continued before the Job was complete")
	}
}

func TestWaitsOfARun(t *testing.T) {
	t.Parallel()
	r := &run{Options: someOptions(t, &fakeClusters{})}
	r.Plan.Settle = scenario.Duration(time.Minute)
	r.Plan.Expect = []scenario.Expectation{
		{Name: "completes", Args: &check.WithinArgs{Within: scenario.Duration(4 * time.Minute)}},
		{Name: "staleExecutorsGone", Args: &check.WithinArgs{Within: scenario.Duration(90 * time.Second)}},
		{Name: "recoveryWithin", Args: &check.RecoveryArgs{Detection: scenario.Duration(time.Minute),
			ExecutorsBack: scenario.Duration(50 * time.Second), Total: scenario.Duration(time.Minute)}},
	}
	got := fmt.Sprintf("%+v", r.waits())
	if want := "{Settle:1m0s Launch:{Time:4m10s Invariant:completes} Fault:{Time:2m0s Invariant:recoveryWithin} Aftermath:{Time:1m40s " +
		"Invariant:staleExecutorsGone}}"; got != want {
		t.Errorf("waits %s, want %s", got, want)
	}
}

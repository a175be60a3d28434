package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func nodeNamed(name string) scenario.NodeSelector { return scenario.NodeSelector{Name: name} }

// thawedByOther lets somebody else thaw the node just before we do.
type thawedByOther struct{ *fakeCluster }

func (c *thawedByOther) Do(ctx context.Context, action cluster.Action, name string) (cluster.Evidence, error) {
	c.node(name).Frozen = false
	return c.fakeCluster.Do(ctx, action, name)
}

// sample returns good arguments for each kind; a kind without any fails the conformance test.
func sample(kind string) any {
	switch kind {
	case "nodePowerOff":
		return &NodePowerOffArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}}
	case "nodeShutdown":
		return &NodeShutdownArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}}
	case "nodeIsolate":
		return &NodeIsolateArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}}
	case "nodeFreeze":
		return &NodeFreezeArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}}
	case "nodeOutOfService":
		return &NodeOutOfServiceArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}}
	case "podKill":
		return &PodKillArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}}
	case "nodeDrain":
		return &NodeDrainArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}}
	case "nodeCordon":
		return &NodeCordonArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}}
	case "nodeTaint":
		return &NodeTaintArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}, Key: "example.com/maintenance", Effect: "NoExecute"}
	case "podEvict":
		return &PodEvictArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}}
	case "podFailure":
		return &PodFailureArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}}
	case "containerKill":
		return &ContainerKillArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}}
	case "networkPartition":
		return &NetworkPartitionArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, From: scenario.PodSelector{Of: scenario.OfExecutor, Index: ptr(0)}}
	case "networkDelay":
		return &NetworkDelayArgs{
			Pod: scenario.PodSelector{Of: scenario.OfDriver}, From: scenario.PodSelector{Of: scenario.OfExecutor, Index: ptr(0)},
			Latency: scenario.Duration(100 * time.Millisecond),
		}
	case "networkLoss":
		return &NetworkLossArgs{
			Pod: scenario.PodSelector{Of: scenario.OfDriver}, From: scenario.PodSelector{Of: scenario.OfExecutor, Index: ptr(0)}, Percent: 50,
		}
	case "bandwidth":
		return &BandwidthArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Rate: "1mbit"}
	case "clockSkew":
		return &ClockSkewArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Behind: scenario.Duration(time.Minute)}
	case "cpuStress":
		return &CPUStressArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Workers: 1}
	case "memoryStress":
		return &MemoryStressArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Size: "64MB"}
	default:
		return nil
	}
}

// TestConformance holds every registered fault to the contract.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			args := sample(kind.Name)
			if args == nil {
				t.Fatal("no sample arguments")
			}
			conformEntry(t, kind, args)
			for _, by := range kind.By {
				conformSteps(t, kind.Name, by, args)
				conformLife(t, kind.Name, by, args)
				conformNoEffect(t, kind.Name, by, args)
				conformNoTarget(t, kind.Name, by, args)
				conformCrash(t, kind.Name, by, args)
			}
		})
	}
}

func conformEntry(t *testing.T, kind Kind, args any) {
	t.Helper()
	if kind.Doc == "" || kind.Phrase(args) == "" {
		t.Error("the fault does not describe itself")
	}
	if problems := kind.Check(args); len(problems) > 0 {
		t.Errorf("good arguments are refused: %v", problems)
	}
	if problems := kind.Check(kind.Args()); len(problems) == 0 {
		t.Error("arguments that select nothing are accepted")
	}
	for _, bad := range []any{nil, struct{}{}, "x"} {
		if problems := kind.Check(bad); len(problems) == 0 {
			t.Errorf("arguments of type %T are accepted", bad)
		}
		if _, err := kind.New("", bad); err == nil {
			t.Errorf("a fault is made of arguments of type %T", bad)
		}
		if kind.Phrase(bad) == "" || kind.Needs(bad) != nil {
			t.Errorf("arguments of type %T have phrase %q, needs %v", bad, kind.Phrase(bad), kind.Needs(bad))
		}
	}
	if _, ok := args.(interface {
		Choose(int, func(int) int)
	}); !ok {
		t.Error("the plan cannot choose what the arguments leave open")
	}
}

// conformSteps calls the steps by themselves: those that only look change nothing, and proofs can fail.
func conformSteps(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).suiting(kind)
	fault, err := New(kind, by, args)
	if err != nil {
		t.Fatal(err)
	}
	target, err := fault.Resolve(t.Context(), w.env)
	if err != nil || target.Object.Name == "" || target.Object.UID == "" || target.Node != "worker-1" {
		t.Fatalf("resolve: %+v, %v", target, err)
	}
	if entry, _ := scenario.Find(Entries(), kind); entry.Instant == undoable(t, target) {
		t.Errorf("instant is %t, but what it does is to be undone: %t", entry.Instant, undoable(t, target))
	}
	before, _ := w.cluster.Nodes(t.Context())
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := fault.ProveLanded(short, w.env, target, Effect{Observations: []cluster.Observation{{What: "x"}}}); err == nil {
		t.Error("the landing is proven of a target that was not touched")
	}
	after, _ := w.cluster.Nodes(t.Context())
	if diff := cmp.Diff(before, after); diff != "" || len(w.cluster.did()) > 0 || changes(w) > 0 {
		t.Errorf("looking changed something: %s", diff)
	}
	effect, err := fault.Inject(t.Context(), w.env, target)
	if err != nil || effect.Began.IsZero() {
		t.Fatalf("inject: %+v, %v", effect, err)
	}
	if undoable(t, target) {
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := fault.ProveRecovered(short, w.env, target, effect); err == nil {
			t.Error("the recovery is proven while the fault is in effect")
		}
	}
	for round := range 2 {
		if effect, err = w.undo(t, target); err != nil {
			t.Errorf("recover, round %d: %v", round, err)
		}
	}
	proof, err := fault.ProveRecovered(t.Context(), w.env, target, effect)
	if err != nil || len(proof.Observations) == 0 {
		t.Errorf("recovery: %+v, %v", proof, err)
	}
}

// undoable reports whether a fault leaves an effect that has to be undone. What has struck once leaves a resource at most.
func undoable(t *testing.T, target Target) bool {
	t.Helper()
	if target.Undo.IsZero() {
		return false
	}
	var data struct{ OneShot bool }
	if err := json.Unmarshal(target.Undo.Data, &data); err != nil {
		t.Fatal(err)
	}
	return !data.OneShot
}

func conformLife(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).suiting(kind)
	d := w.disturbanceBy(t, "f", kind, by, args)
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	landed := w.emitter.data(t, "landed")
	if landed.Began == nil || len(landed.Evidence) == 0 || len(landed.Targets) != 1 {
		t.Errorf("landed: %+v", landed)
	}
	if err := errors.Join(d.Recover(t.Context()), d.CleanUp(t.Context())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"journaled", "injecting", "landed", "recovering", "recovered"}, w.emitter.types()); diff != "" {
		t.Error(diff)
	}
	for _, event := range w.emitter.types() {
		if len(w.emitter.data(t, event).Effects) == 0 {
			t.Errorf("event %s does not say what the fault does to what runs on its target", event)
		}
	}
	if left := w.open(t); len(left) > 0 {
		t.Errorf("open undo records: %v", left)
	}
}

// conformNoEffect lets the injection do nothing and say that all went well.
func conformNoEffect(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).suiting(kind)
	w.env.LandWithin = 200 * time.Millisecond
	for _, action := range cluster.Actions() {
		w.cluster.mute[action] = true
	}
	w.chaos.mute = true
	w.api.ignoreDeletions()
	w.api.ignoreNodeUpdates()
	fault, err := New(kind, by, args)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDisturbance("f", kind, args, impatient{fault}, w.env)
	if err != nil {
		t.Fatal(err)
	}
	var notLanded *NotLandedError
	if err := d.Inject(t.Context()); !errors.As(err, &notLanded) {
		t.Errorf("an injection without effect landed: %v", err)
	}
	if err := d.CleanUp(t.Context()); err != nil {
		t.Error(err)
	}
}

// impatient hides a fault's own patience.
type impatient struct{ Fault }

func conformNoTarget(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).suiting(kind)
	w.env.Targets = fakeTargets{err: errBroken}
	d := w.disturbanceBy(t, "f", kind, by, args)
	if err := d.Inject(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
	if err := d.CleanUp(t.Context()); err != nil || len(w.cluster.did()) > 0 || changes(w) > 0 {
		t.Errorf("without a target something was done: %v, %v", w.cluster.did(), err)
	}
}

// conformCrash ends the harness after the landing: another process undoes it by the journal alone.
func conformCrash(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).suiting(kind)
	before, _ := w.cluster.Nodes(t.Context())
	if err := w.disturbanceBy(t, "f", kind, by, args).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"f"}, w.open(t)); diff != "" {
		t.Error(diff)
	}
	if _, err := cleanerOf(w.cluster, w.api, w.chaos).UndoPending(t.Context(), w.dir); err != nil {
		t.Error(err)
	}
	after, _ := w.cluster.Nodes(t.Context())
	for i := range after {
		after[i].BootID = before[i].BootID
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if left := w.open(t); len(left) > 0 {
		t.Errorf("open undo records: %v", left)
	}
}

func changes(w *world) int {
	n := 0
	for _, action := range w.api.Actions() {
		if action.GetVerb() == "delete" || action.GetVerb() == "update" || action.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

func TestUnknownKind(t *testing.T) {
	t.Parallel()
	_, err := New("nodeExplode", "", nil)
	want := `fault "nodeExplode" is unknown: expected one of nodePowerOff, nodeShutdown, nodeIsolate, nodeFreeze, nodeOutOfService, nodeCordon, nodeDrain, nodeTaint, podKill, podEvict, podFailure, containerKill, networkPartition, networkDelay, networkLoss, bandwidth, clockSkew, cpuStress, memoryStress`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := len(Entries()); got != len(Kinds()) {
		t.Errorf("%d entries of %d kinds", got, len(Kinds()))
	}
}

func TestDryRunIsNoticed(t *testing.T) {
	t.Parallel()
	for kind, test := range map[string]struct {
		args   any
		action cluster.Action
	}{
		"nodePowerOff": {&NodePowerOffArgs{Node: nodeNamed("worker-2"), DryRun: true}, cluster.PowerOff},
		"nodeShutdown": {&NodeShutdownArgs{Node: nodeNamed("worker-2"), DryRun: true}, cluster.Shutdown},
	} {
		w := newWorld(t)
		d := w.disturbance(t, "noop", kind, test.args)
		var notLanded *NotLandedError
		if err := d.Inject(t.Context()); !errors.As(err, &notLanded) {
			t.Fatalf("got %v", err)
		}
		want := fmt.Sprintf("node worker-2 after %s: it is on with 10 processes and boot boot-0-2 (before: 10 processes, boot boot-0-2); expected off without any", test.action)
		if diff := cmp.Diff(want, w.emitter.data(t, "didNotLand").Reason); diff != "" {
			t.Error(diff)
		}
		if err := d.CleanUp(t.Context()); err != nil || len(w.cluster.did()) > 0 {
			t.Errorf("%v, %v", err, w.cluster.did())
		}
	}
}

func TestAShutdownIsGivenTheGraceOfPods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shutdown := w.disturbance(t, "a", "nodeShutdown", &NodeShutdownArgs{Node: nodeNamed("worker-2")})
	powerOff := w.disturbance(t, "b", "nodePowerOff", &NodePowerOffArgs{Node: nodeNamed("worker-2")})
	if shutdown.patience() < time.Minute || powerOff.patience() != 0 {
		t.Errorf("patience %s with a shut-down, %s with a power-off", shutdown.patience(), powerOff.patience())
	}
}

func TestNodeProofs(t *testing.T) {
	t.Parallel()
	power, cut, freeze := &NodePowerOffArgs{Node: nodeNamed("worker-1")}, &NodeIsolateArgs{Node: nodeNamed("worker-1")}, &NodeFreezeArgs{Node: nodeNamed("worker-1")}
	tests := []struct {
		name, kind string
		args       any
		setup      func(*fakeCluster)
	}{
		{"off, but processes live on", "nodePowerOff", power, func(c *fakeCluster) {
			c.meanders = func(_ cluster.Action, n *cluster.Node) { n.Processes = 1 }
		}},
		{"isolated, but dead", "nodeIsolate", cut, func(c *fakeCluster) {
			c.meanders = func(_ cluster.Action, n *cluster.Node) { n.Power = cluster.Off }
		}},
		{"isolated, but booted", "nodeIsolate", cut, func(c *fakeCluster) {
			c.meanders = func(_ cluster.Action, n *cluster.Node) { n.BootID = "new" }
		}},
		{"frozen, but ended", "nodeFreeze", freeze, func(c *fakeCluster) {
			c.meanders = func(_ cluster.Action, n *cluster.Node) { n.Processes = 0 }
		}},
		{"frozen, but booted", "nodeFreeze", freeze, func(c *fakeCluster) {
			c.meanders = func(_ cluster.Action, n *cluster.Node) { n.BootID = "new" }
		}},
		{"no observation", "nodeFreeze", freeze, func(c *fakeCluster) { c.silent = true }},
		{"off already", "nodeFreeze", freeze, func(c *fakeCluster) { c.nodes[0].Power = cluster.Off }},
		{"frozen already", "nodeFreeze", freeze, func(c *fakeCluster) { c.nodes[0].Frozen = true }},
		{"refused", "nodePowerOff", power, func(c *fakeCluster) { c.refuse[cluster.PowerOff] = errBroken }},
		{"shut down, but processes live on", "nodeShutdown", &NodeShutdownArgs{Node: nodeNamed("worker-1")}, func(c *fakeCluster) {
			c.meanders = func(_ cluster.Action, n *cluster.Node) { n.Processes = 1 }
		}},
		{"no such node", "nodePowerOff", power, func(c *fakeCluster) { c.nodes = c.nodes[1:] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.setup(w.cluster)
			var notLanded *NotLandedError
			if err := w.disturbance(t, "f", test.kind, test.args).Inject(t.Context()); !errors.As(err, &notLanded) {
				t.Errorf("got %v, want a NotLandedError", err)
			}
		})
	}
}

func TestRecoveryOfANodeNeedsItsKubelet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		setup func(*testing.T, *world)
		want  string
	}{
		{"silent lease", func(_ *testing.T, w *world) { w.api.silentLease = true }, "did not renew its lease"},
		{"not ready", func(t *testing.T, w *world) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}, Status: corev1.NodeStatus{
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Reason: "NodeStatusUnknown"}}}}
			if _, err := w.api.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "Ready=Unknown"},
		{"no condition", func(t *testing.T, w *world) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}}
			if _, err := w.api.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "no condition Ready"},
		{"does not come on", func(_ *testing.T, w *world) { w.cluster.mute[cluster.PowerOn] = true }, "still struck by power-off"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.env.RecoverWithin = 500 * time.Millisecond
			d := w.disturbance(t, "f", "nodePowerOff", &NodePowerOffArgs{Node: nodeNamed("worker-1")})
			if err := d.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			test.setup(t, w)
			expectError(t, d.Recover(t.Context()), test.want)
			if d.State() != NotRecovered || len(w.open(t)) != 1 {
				t.Errorf("state %s, open records %v", d.State(), w.open(t))
			}
		})
	}
}

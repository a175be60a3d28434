package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
)

// thawedByOther lets somebody else thaw the node just before we do.
type thawedByOther struct{ *faultstest.Cluster }

func (c *thawedByOther) Do(ctx context.Context, action cluster.Action, name string) (cluster.Evidence, error) {
	c.Node(name).Frozen = false
	return c.Cluster.Do(ctx, action, name)
}

func TestDryRunIsNoticed(t *testing.T) {
	t.Parallel()
	for kind, test := range map[string]struct {
		args   any
		action cluster.Action
	}{
		"nodePowerOff": {&NodePowerOffArgs{Node: faultstest.NodeNamed("worker-2"), DryRun: true}, cluster.PowerOff},
		"nodeShutdown": {&NodeShutdownArgs{Node: faultstest.NodeNamed("worker-2"), DryRun: true}, cluster.Shutdown},
	} {
		w := newWorld(t)
		d := w.Disturbance(t, "noop", kind, test.args)
		var notLanded *faults.NotLandedError
		if err := d.Inject(t.Context()); !errors.As(err, &notLanded) {
			t.Fatalf("got %v", err)
		}
		want := fmt.Sprintf("node worker-2 after %s: it is on with 10 processes and boot boot-0-2 (before: 10 processes, boot boot-0-2); "+
			"expected off without any", test.action)
		if diff := cmp.Diff(want, w.Emitter.Data(t, "didNotLand").Reason); diff != "" {
			t.Error(diff)
		}
		if err := d.CleanUp(t.Context()); err != nil || len(w.Cluster.Did()) > 0 {
			t.Errorf("%v, %v", err, w.Cluster.Did())
		}
	}
}

func TestAShutdownIsGivenTheGraceOfPods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	patience := func(kind string) time.Duration {
		fault, err := w.Faults.New(kind, "", w.Example(t, kind))
		if err != nil {
			t.Fatal(err)
		}
		return fault.(faults.Patient).Patience(faults.Target{})
	}
	if patience("nodeShutdown") < time.Minute || patience("nodePowerOff") != 0 {
		t.Errorf("patience %s with a shut-down, %s with a power-off", patience("nodeShutdown"), patience("nodePowerOff"))
	}
}

func TestNodeProofs(t *testing.T) {
	t.Parallel()
	power, cut, freeze := &NodePowerOffArgs{Node: faultstest.NodeNamed(
		"worker-1")}, &NodeIsolateArgs{Node: faultstest.NodeNamed("worker-1")}, &NodeFreezeArgs{Node: faultstest.NodeNamed("worker-1")}
	tests := []struct {
		name, kind string
		args       any
		setup      func(*faultstest.Cluster)
	}{
		{"off, but processes keep running", "nodePowerOff", power, func(c *faultstest.Cluster) {
			c.Meanders = func(_ cluster.Action, n *cluster.Node) { n.Processes = 1 }
		}},
		{"isolated, but dead", "nodeIsolate", cut, func(c *faultstest.Cluster) {
			c.Meanders = func(_ cluster.Action, n *cluster.Node) { n.Power = cluster.Off }
		}},
		{"isolated, but booted", "nodeIsolate", cut, func(c *faultstest.Cluster) {
			c.Meanders = func(_ cluster.Action, n *cluster.Node) { n.BootID = "new" }
		}},
		{"frozen, but ended", "nodeFreeze", freeze, func(c *faultstest.Cluster) {
			c.Meanders = func(_ cluster.Action, n *cluster.Node) { n.Processes = 0 }
		}},
		{"frozen, but booted", "nodeFreeze", freeze, func(c *faultstest.Cluster) {
			c.Meanders = func(_ cluster.Action, n *cluster.Node) { n.BootID = "new" }
		}},
		{"no observation", "nodeFreeze", freeze, func(c *faultstest.Cluster) { c.Silent = true }},
		{"off already", "nodeFreeze", freeze, func(c *faultstest.Cluster) { c.Workers[0].Power = cluster.Off }},
		{"frozen already", "nodeFreeze", freeze, func(c *faultstest.Cluster) { c.Workers[0].Frozen = true }},
		{"refused", "nodePowerOff", power, func(c *faultstest.Cluster) { c.Refuse[cluster.PowerOff] = faultstest.ErrBroken }},
		{"shut down, but processes keep running", "nodeShutdown", &NodeShutdownArgs{Node: faultstest.NodeNamed("worker-1")},
			func(c *faultstest.Cluster) {
				c.Meanders = func(_ cluster.Action, n *cluster.Node) { n.Processes = 1 }
			}},
		{"no such node", "nodePowerOff", power, func(c *faultstest.Cluster) { c.Workers = c.Workers[1:] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.setup(w.Cluster)
			var notLanded *faults.NotLandedError
			if err := w.Disturbance(t, "f", test.kind, test.args).Inject(t.Context()); !errors.As(err, &notLanded) {
				t.Errorf("got %v, want a NotLandedError", err)
			}
		})
	}
}

func TestRecoveryOfANodeNeedsItsKubelet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		setup func(*testing.T, *faultstest.World)
		want  string
	}{
		{"silent lease", func(_ *testing.T, w *faultstest.World) { w.API.SilentLease = true }, "did not renew its lease"},
		{"not ready", func(t *testing.T, w *faultstest.World) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}, Status: corev1.NodeStatus{
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Reason: "NodeStatusUnknown"}}}}
			if _, err := w.API.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "Ready=Unknown"},
		{"no condition", func(t *testing.T, w *faultstest.World) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}}
			if _, err := w.API.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "no condition Ready"},
		{"does not come on", func(_ *testing.T, w *faultstest.World) { w.Cluster.Mute[cluster.PowerOn] = true }, "power-off is still in effect"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Env.RecoverWithin = 500 * time.Millisecond
			d := w.Disturbance(t, "f", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
			if err := d.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			test.setup(t, w)
			faultstest.ExpectError(t, d.Recover(t.Context()), test.want)
			if d.State() != faults.NotRecovered || len(w.Open(t)) != 1 {
				t.Errorf("state %s, open records %v", d.State(), w.Open(t))
			}
		})
	}
}

func TestTheRecordIsOnDiskBeforeAnythingIsTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var open []string
	w.Cluster.Meanders = func(cluster.Action, *cluster.Node) { open = w.Open(t) }
	d := w.Disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lose"}, open); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutAJournalNothingIsTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.RemoveAll(w.Dir); err != nil {
		t.Fatal(err)
	}
	d := w.Disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	var notLanded *faults.NotLandedError
	if err := d.Inject(t.Context()); !errors.As(err, &notLanded) {
		t.Errorf("got %v, want a NotLandedError", err)
	}
	if did := w.Cluster.Did(); len(did) > 0 {
		t.Errorf("the cluster was told to %v", did)
	}
}

func TestInterruptedInjectionIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.Cluster.Meanders = func(action cluster.Action, _ *cluster.Node) {
		if action == cluster.PowerOff {
			cancel()
			w.Cluster.NodesErr = context.Canceled
		}
	}
	d := w.Disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	var notLanded *faults.NotLandedError
	if err := d.Inject(ctx); !errors.As(err, &notLanded) {
		t.Fatalf("got %v, want a NotLandedError", err)
	}
	w.Cluster.NodesErr = nil
	if err := d.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"power-off worker-1", "power-on worker-1"}, w.Cluster.Did()); diff != "" {
		t.Error(diff)
	}
}

func TestAClusterThatCannot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Cluster.Able = []cluster.Action{cluster.PowerOff}
	_, err := w.Faults.Disturbance("lose", "nodePowerOff", "", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")}, w.Env)
	want := "fault lose (nodePowerOff): cluster test cannot do [power-on] to its nodes"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

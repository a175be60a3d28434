package nodeobject

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/faults/machine"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestNodeOutOfServiceArguments(t *testing.T) {
	t.Parallel()
	node := scenario.NodeSelector{Name: "worker-1"}
	tests := []struct {
		name     string
		args     NodeOutOfServiceArgs
		problems int
	}{
		{"by the fault", NodeOutOfServiceArgs{StruckBy: "lose"}, 0},
		{"by the node", NodeOutOfServiceArgs{Node: node}, 0},
		{"both", NodeOutOfServiceArgs{StruckBy: "lose", Node: node}, 1},
		{"none", NodeOutOfServiceArgs{}, 1},
		{"a bad node", NodeOutOfServiceArgs{Node: scenario.NodeSelector{Of: "nobody"}}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := checkNodeOutOfService(test.args); len(got) != test.problems {
				t.Errorf("problems %v, want %d", got, test.problems)
			}
		})
	}
}

// TestOutOfServiceAfterAPowerOff is the twin of faults as a scenario has it: the second finds the first one's node.
func TestOutOfServiceAfterAPowerOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lose := w.Disturbance(t, "lose", "nodePowerOff", &machine.NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	taint := w.Disturbance(t, "taint", "nodeOutOfService", &NodeOutOfServiceArgs{StruckBy: "lose"})
	if err := errors.Join(lose.Inject(t.Context()), taint.Inject(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := taintsOf(w.Node(t, "worker-1")); got != "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute" {
		t.Errorf("taints %s", got)
	}
	pods, err := w.API.CoreV1().Pods(faultstest.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 1 || pods.Items[0].Name != "exec-2" {
		t.Errorf("pods left: %v, %v; want exec-2 alone, on another node", pods.Items, err)
	}
	if err := errors.Join(lose.Recover(t.Context()), taint.Recover(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := taintsOf(w.Node(t, "worker-1")); got != "none" {
		t.Errorf("taints %s after the recovery", got)
	}
	if left := w.Open(t); len(left) > 0 {
		t.Errorf("open undo records: %v", left)
	}
}

func TestOutOfServiceKeepsOtherTaintsAndOutlivesConflicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SwitchOff("worker-1")
	unreachable := corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}
	w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{unreachable} })
	refused := 0
	w.API.PrependReactor("update", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) {
		if refused++; refused > 1 {
			return false, nil, nil
		}
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "nodes"}, "worker-1", errors.New("changed"))
	})
	d := w.Disturbance(t, "taint", "nodeOutOfService", &NodeOutOfServiceArgs{Node: faultstest.NodeNamed("worker-1")})
	if err := errors.Join(d.Inject(t.Context()), d.Recover(t.Context())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]corev1.Taint{unreachable}, w.Node(t, "worker-1").Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
}

func TestOutOfServiceDoesNotLand(t *testing.T) {
	t.Parallel()
	byNode := NodeOutOfServiceArgs{Node: faultstest.NodeNamed("worker-1")}
	tests := []struct {
		name  string
		args  NodeOutOfServiceArgs
		setup func(*testing.T, *faultstest.World)
		want  string
	}{
		{"a node that is on", byNode, func(_ *testing.T, w *faultstest.World) {
			w.Cluster.Node("worker-1").Power = "on"
		}, "node worker-1 is on: only one that is off"},
		{"a fault that is not in effect", NodeOutOfServiceArgs{StruckBy: "lose"}, func(*testing.T, *faultstest.World) {},
			"fault lose is not in effect"},
		{"tainted already", byNode, func(t *testing.T, w *faultstest.World) {
			w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{outOfService()} })
		}, "has the taint node.kubernetes.io/out-of-service=nodeshutdown:NoExecute already"},
		{"a node without pods", NodeOutOfServiceArgs{Node: faultstest.NodeNamed("worker-3")},
			func(_ *testing.T, w *faultstest.World) { w.SwitchOff("worker-3") }, "carries no pod of namespace run-1"},
		{"no node of that name", NodeOutOfServiceArgs{Node: faultstest.NodeNamed("worker-9")}, func(*testing.T, *faultstest.World) {},
			"has no node worker-9"},
		{"nothing is done", NodeOutOfServiceArgs{Node: faultstest.NodeNamed("worker-1"), DryRun: true}, func(*testing.T, *faultstest.World) {},
			"has not the taint"},
		{"its pods are not freed", byNode, func(_ *testing.T, w *faultstest.World) { w.API.IdleGC = true }, "2 of its 2 pods are still there"},
		{"refused", byNode, func(_ *testing.T, w *faultstest.World) {
			w.API.PrependReactor("update", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, faultstest.ErrBroken })
		}, "broken on purpose"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.SwitchOff("worker-1")
			test.setup(t, w)
			w.Env.LandWithin = 50 * time.Millisecond
			fault, err := w.Faults.New("nodeOutOfService", "", &test.args)
			if err != nil {
				t.Fatal(err)
			}
			d, err := faults.NewDisturbance("taint", "nodeOutOfService", &test.args, faultstest.Impatient{Fault: fault}, w.Env)
			if err != nil {
				t.Fatal(err)
			}
			var notLanded *faults.NotLandedError
			err = d.Inject(t.Context())
			if !errors.As(err, &notLanded) {
				t.Fatalf("got %v, want a NotLandedError", err)
			}
			faultstest.ExpectError(t, err, test.want)
			if err := d.CleanUp(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUndoATaintWhateverTheHarnessLeft(t *testing.T) {
	t.Parallel()
	taint := outOfService()
	record := aRecord("taint", undo{Taint: &taint})
	tests := []struct {
		name  string
		setup func(*testing.T, *faultstest.World)
		says  string
	}{
		{"tainted", func(t *testing.T, w *faultstest.World) {
			w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{taint} })
		}, "accepted the removal"},
		{"not tainted", func(*testing.T, *faultstest.World) {}, "nothing to undo"},
		{"another object by now", func(t *testing.T, w *faultstest.World) {
			w.Change(t, "worker-1", func(n *corev1.Node) { n.UID, n.Spec.Taints = "another", []corev1.Taint{taint} })
		}, "the object of node worker-1 that had the taint is gone"},
		{"no object", func(t *testing.T, w *faultstest.World) {
			if err := w.API.CoreV1().Nodes().Delete(t.Context(), "worker-1", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "the object of node worker-1 that had the taint is gone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.setup(t, w)
			effect, err := w.CleanerOf(w.Cluster, w.API, nil).Undo(t.Context(), record)
			if err != nil || len(effect.Observations) != 1 {
				t.Fatalf("%+v, %v", effect, err)
			}
			faultstest.ExpectError(t, errors.New(effect.Observations[0].What), test.says)
		})
	}
	t.Run("without the API", func(t *testing.T) {
		t.Parallel()
		_, err := newWorld(t).CleanerOf(faultstest.NewCluster(), nil, nil).Undo(t.Context(), record)
		faultstest.ExpectError(t, err, "cannot be reached")
	})
}

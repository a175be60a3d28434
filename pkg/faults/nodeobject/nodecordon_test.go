package nodeobject

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
)

func nodeResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
}

func TestACordonStrikesNoPodAndSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.Disturbance(t, "cordon", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")})
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if landed := w.Emitter.Data(t, "landed"); !landed.LeavesRunning {
		t.Errorf("landed: %+v, want that what runs on the node continues", landed)
	}
	if !w.Node(t, "worker-1").Spec.Unschedulable {
		t.Error("the node is not cordoned")
	}
	if err := d.Recover(t.Context()); err != nil || w.Node(t, "worker-1").Spec.Unschedulable {
		t.Errorf("%v: the node must take pods again", err)
	}
}

// TestACordonOfACordonedNodeDoesNotLand is the variant that does not land; the cordon that was there stays.
func TestACordonOfACordonedNodeDoesNotLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Unschedulable = true })
	d := w.Disturbance(t, "cordon", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")})
	faultstest.ExpectError(t, d.Inject(t.Context()), "node worker-1 is cordoned already")
	if err := d.CleanUp(t.Context()); err != nil || !w.Node(t, "worker-1").Spec.Unschedulable {
		t.Errorf("%v: the node must stay as it was", err)
	}
}

// TestACordonThatSomebodyElseWasFasterWith is the moment between the look at the node and the change.
func TestACordonThatSomebodyElseWasFasterWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fault := nodeCordon{args: NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")}}
	target, err := fault.Resolve(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Unschedulable = true })
	_, err = fault.Inject(t.Context(), w.Env, target)
	faultstest.ExpectError(t, err, "cordoned already")
	if _, err := w.Undo(t, target); err != nil || !w.Node(t, "worker-1").Spec.Unschedulable {
		t.Errorf("%v: the cordon of somebody else must stay", err)
	}
}

func TestACordonThatDoesNotStayDoesNotLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	looks := 0
	w.API.PrependReactor("get", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) {
		found, err := w.API.Tracker().Get(nodeResource(), "", "worker-1")
		if err != nil {
			return true, nil, err
		}
		node := found.(*corev1.Node).DeepCopy()
		if node.Spec.Unschedulable {
			looks++
		}
		node.Spec.Unschedulable = node.Spec.Unschedulable && looks < steadyLooks-1
		return true, node, nil
	})
	d := w.Disturbance(t, "cordon", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")})
	faultstest.ExpectError(t, d.Inject(t.Context()), "is not cordoned")
}

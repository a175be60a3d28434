package nodeobject

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func TestADrainLeavesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pods := w.API.CoreV1().Pods(faultstest.Namespace)
	service, err := pods.Get(t.Context(), "exec-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	service.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", Name: "shuffle", Controller: faultstest.Ptr(true)}}
	if _, err := pods.Update(t.Context(), service, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	target, err := nodeDrain{args: NodeDrainArgs{Node: faultstest.NodeNamed("worker-1")}}.Resolve(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	if pods := changeOf(target).Pods; len(pods) != 1 ||
		pods[0] != (history.Object{Kind: "Pod", Namespace: faultstest.Namespace, Name: "driver", UID: "uid-of-driver"}) {
		t.Errorf("pods %+v: want the driver alone", pods)
	}
}

func TestADrainThatABudgetForbidsDoesNotLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.API.Budget = true
	w.Env.LandWithin = 100 * time.Millisecond
	fault := faultstest.Impatient{Fault: nodeDrain{args: NodeDrainArgs{Node: faultstest.NodeNamed("worker-1")}}}
	d, err := faults.NewDisturbance("drain", "nodeDrain", &NodeDrainArgs{}, fault, w.Env)
	if err != nil {
		t.Fatal(err)
	}
	faultstest.ExpectError(t, d.Inject(t.Context()), "disruption budget")
	if err := d.CleanUp(t.Context()); err != nil || w.Node(t, "worker-1").Spec.Unschedulable {
		t.Errorf("%v: the node must take pods again", err)
	}
}

func TestADrainIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := w.Node(t, "worker-1")
	node.Spec.Unschedulable = true
	if _, err := w.API.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"worker-1": "cordoned already", "worker-3": "carries no pod",
		"worker-9": "has no node worker-9"} {
		faultstest.ExpectError(t, w.Disturbance(t, "f", "nodeDrain", &NodeDrainArgs{Node: faultstest.NodeNamed(name)}).Inject(t.Context()), want)
	}
}

func TestADrainThatIsNotDoneIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	faultstest.ExpectError(t, w.Disturbance(t, "f", "nodeDrain",
		&NodeDrainArgs{Node: faultstest.NodeNamed("worker-1"), DryRun: true}).Inject(t.Context()), "is not cordoned")
}

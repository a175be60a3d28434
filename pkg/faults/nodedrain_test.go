package faults

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func TestADrainLeavesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pods := w.api.CoreV1().Pods(namespace)
	service, err := pods.Get(t.Context(), "exec-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	service.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", Name: "shuffle", Controller: ptr(true)}}
	if _, err := pods.Update(t.Context(), service, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	target, err := nodeDrain{args: NodeDrainArgs{Node: nodeNamed("worker-1")}}.Resolve(t.Context(), w.env)
	if err != nil {
		t.Fatal(err)
	}
	if pods := changeOf(target).Pods; len(pods) != 1 || pods[0] != (history.Object{Kind: "Pod", Namespace: namespace, Name: "driver", UID: "uid-of-driver"}) {
		t.Errorf("pods %+v: want the driver alone", pods)
	}
}

func TestADrainThatABudgetForbidsDoesNotLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.api.budget = true
	w.env.LandWithin = 100 * time.Millisecond
	fault := impatient{nodeDrain{args: NodeDrainArgs{Node: nodeNamed("worker-1")}}}
	d, err := newDisturbance("drain", "nodeDrain", &NodeDrainArgs{}, fault, w.env)
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, d.Inject(t.Context()), "disruption budget")
	if err := d.CleanUp(t.Context()); err != nil || w.node(t, "worker-1").Spec.Unschedulable {
		t.Errorf("%v: the node must take pods again", err)
	}
}

func TestADrainIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := w.node(t, "worker-1")
	node.Spec.Unschedulable = true
	if _, err := w.api.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"worker-1": "cordoned already", "worker-3": "carries no pod", "worker-9": "has no node worker-9"} {
		expectError(t, w.disturbance(t, "f", "nodeDrain", &NodeDrainArgs{Node: nodeNamed(name)}).Inject(t.Context()), want)
	}
}

func TestADrainThatIsNotDoneIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expectError(t, w.disturbance(t, "f", "nodeDrain", &NodeDrainArgs{Node: nodeNamed("worker-1"), DryRun: true}).Inject(t.Context()), "is not cordoned")
}

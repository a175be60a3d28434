package nodeobject

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func taintArgs(effect string) NodeTaintArgs {
	return NodeTaintArgs{Node: faultstest.NodeNamed("worker-1"), Key: "example.com/maintenance", Value: "now", Effect: effect}
}

func TestNodeTaintArguments(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		change   func(*NodeTaintArgs)
		problems int
	}{
		{"good", func(*NodeTaintArgs) {}, 0},
		{"without a value", func(a *NodeTaintArgs) { a.Value = "" }, 0},
		{"without a domain", func(a *NodeTaintArgs) { a.Key = "maintenance" }, 0},
		{"no key", func(a *NodeTaintArgs) { a.Key = "" }, 2},
		{"no key of a label", func(a *NodeTaintArgs) { a.Key = "a b" }, 1},
		{"Kubernetes' own", func(a *NodeTaintArgs) { a.Key = corev1.TaintNodeOutOfService }, 1},
		{"no value of a label", func(a *NodeTaintArgs) { a.Value = "a b" }, 1},
		{"an effect that drives none out at once", func(a *NodeTaintArgs) { a.Effect = "PreferNoSchedule" }, 1},
		{"all at once", func(a *NodeTaintArgs) { *a = NodeTaintArgs{Key: "a b", Value: "a b"} }, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			args := taintArgs("NoExecute")
			test.change(&args)
			if got := checkNodeTaint(args); len(got) != test.problems {
				t.Errorf("problems %q, want %d", got, test.problems)
			}
		})
	}
}

func TestATaintLeavesPodsThatTolerateIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ChangePod(t, "exec-1", func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}} })
	args := taintArgs("NoExecute")
	target, err := nodeTaint{args: args}.Resolve(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]history.Object{{Kind: "Pod", Namespace: faultstest.Namespace, Name: "driver", UID: "uid-of-driver"}},
		changeOf(target).Pods); diff != "" {
		t.Errorf("pods that are to be driven out (-want +got):\n%s", diff)
	}
	d := w.Disturbance(t, "taint", "nodeTaint", &args)
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Emitter.Data(t, "landed").LeavesRunning {
		t.Error("the history says that the pods continue")
	}
	if err := d.Recover(t.Context()); err != nil || len(w.Node(t, "worker-1").Spec.Taints) > 0 {
		t.Errorf("%v, taints %v", err, w.Node(t, "worker-1").Spec.Taints)
	}
}

func TestATaintThatOnlyKeepsPodsAwayStrikesNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	args := taintArgs("NoSchedule")
	d := w.Disturbance(t, "taint", "nodeTaint", &args)
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !w.Emitter.Data(t, "landed").LeavesRunning || taintsOf(w.Node(t, "worker-1")) != "example.com/maintenance=now:NoSchedule" {
		t.Errorf("taints %s, landed %+v", taintsOf(w.Node(t, "worker-1")), w.Emitter.Data(t, "landed"))
	}
	if err := d.Recover(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestATaintDoesNotLand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		effect string
		dry    bool
		setup  func(*testing.T, *faultstest.World)
		want   string
	}{
		{"nothing is done, NoExecute", "NoExecute", true, func(*testing.T, *faultstest.World) {}, "has not the taint"},
		{"nothing is done, NoSchedule", "NoSchedule", true, func(*testing.T, *faultstest.World) {}, "has not the taint"},
		{"its pods are left alone", "NoExecute", false, func(_ *testing.T, w *faultstest.World) { w.API.IdleTaintManager = true },
			"are not deleted"},
		{"tainted already, with another value", "NoExecute", false, func(t *testing.T, w *faultstest.World) {
			w.Change(t, "worker-1", func(n *corev1.Node) {
				n.Spec.Taints = []corev1.Taint{{Key: "example.com/maintenance", Value: "then", Effect: corev1.TaintEffectNoExecute}}
			})
		}, "already, or one that differs in its value alone: its taints are example.com/maintenance=then:NoExecute"},
		{"all pods tolerate it", "NoExecute", false, func(t *testing.T, w *faultstest.World) {
			for _, name := range []string{"driver", "exec-1"} {
				w.ChangePod(t, name, func(p *corev1.Pod) {
					p.Spec.Tolerations = []corev1.Toleration{{Key: "example.com/maintenance", Operator: corev1.TolerationOpExists}}
				})
			}
		}, "it would drive out none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.setup(t, w)
			before := taintsOf(w.Node(t, "worker-1"))
			w.Env.LandWithin = 50 * time.Millisecond
			args := taintArgs(test.effect)
			args.DryRun = test.dry
			d, err := faults.NewDisturbance("taint", "nodeTaint", &args, faultstest.Impatient{Fault: nodeTaint{args: args}}, w.Env)
			if err != nil {
				t.Fatal(err)
			}
			var notLanded *faults.NotLandedError
			err = d.Inject(t.Context())
			if !errors.As(err, &notLanded) {
				t.Fatalf("got %v, want a NotLandedError", err)
			}
			faultstest.ExpectError(t, err, test.want)
			if err := d.CleanUp(t.Context()); err != nil || taintsOf(w.Node(t, "worker-1")) != before {
				t.Errorf("%v; taints %s, want %s", err, taintsOf(w.Node(t, "worker-1")), before)
			}
		})
	}
}

// TestPodsThatEndedByThemselvesProveNoTaint has all pods gone, and none of which Kubernetes says that the taint is why.
func TestPodsThatEndedByThemselvesProveNoTaint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.API.IdleTaintManager = true
	w.Env.LandWithin = 50 * time.Millisecond
	args := taintArgs("NoExecute")
	fault := nodeTaint{args: args}
	target, err := fault.Resolve(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range changeOf(target).Pods {
		if err := w.API.Tracker().Delete(faultstest.PodResource(), faultstest.Namespace, pod.Name); err != nil {
			t.Fatal(err)
		}
	}
	d, err := faults.NewDisturbance("taint", "nodeTaint", &args,
		faultstest.Impatient{Fault: faultstest.Resolved{Fault: fault, Target: target}}, w.Env)
	if err != nil {
		t.Fatal(err)
	}
	faultstest.ExpectError(t, d.Inject(t.Context()), "for none of them Kubernetes gave the reason DeletionByTaintManager")
}

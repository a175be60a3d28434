package nodeobject

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// markings are faults that mark the node that they change, each on a node that suits it.
func markings() map[string]any {
	taint := taintArgs("NoSchedule")
	return map[string]any{
		"nodeCordon": &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")},
		"nodeDrain":  &NodeDrainArgs{Node: faultstest.NodeNamed("worker-1")},
		"nodeTaint":  &taint, "nodeOutOfService": &NodeOutOfServiceArgs{Node: faultstest.NodeNamed("worker-1")},
	}
}

// TestAMarkComesAndGoesWithWhatItUndoes looks at each version of the object that the API server was sent.
func TestAMarkComesAndGoesWithWhatItUndoes(t *testing.T) {
	t.Parallel()
	for kind, args := range markings() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).Suiting(kind)
			w.Change(t, "worker-1", func(n *corev1.Node) { n.Annotations = map[string]string{"other": "stays"} })
			d := w.Disturbance(t, "strike", kind, args)
			if err := errors.Join(d.Inject(t.Context()), d.Recover(t.Context())); err != nil {
				t.Fatal(err)
			}
			var sent []*corev1.Node
			for _, action := range w.API.Actions() {
				if update, ok := action.(k8stesting.UpdateAction); ok && action.GetResource().Resource == "nodes" {
					sent = append(sent, update.GetObject().(*corev1.Node))
				}
			}
			if len(sent) != 2 {
				t.Fatalf("%d updates of the node, want one to hit and one to undo", len(sent))
			}
			marks, err := marksOf(sent[0])
			if err != nil || len(marks) != 1 {
				t.Fatalf("marks %+v, %v", marks, err)
			}
			mark := marks[0]
			want := UndoMark{Run: "run-1", Fault: "strike", Kind: kind, Uncordon: sent[0].Spec.Unschedulable}
			if len(sent[0].Spec.Taints) > 0 {
				want.Untaint = &sent[0].Spec.Taints[0]
			}
			if diff := cmp.Diff(want, mark); diff != "" {
				t.Errorf("mark (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]string{"other": "stays"}, sent[1].Annotations); diff != "" || sent[1].Spec.Unschedulable ||
				len(sent[1].Spec.Taints) > 0 {
				t.Errorf("after the undoing: %+v, annotations %s", sent[1].Spec, diff)
			}
		})
	}
}

// TestUndoMarked is the clean-up from a machine that has no journal.
func TestUndoMarked(t *testing.T) {
	t.Parallel()
	foreign := corev1.Taint{Key: "example.com/gpu", Effect: corev1.TaintEffectNoSchedule}
	tests := []struct {
		name     string
		run      string
		restored []string
		left     string // of worker-1: cordoned, taints, runs of the marks
	}{
		{"one run", "run-1", []string{"worker-1"}, "false example.com/gpu:NoSchedule [run-2]"},
		{"another run", "run-2", []string{"worker-1", "worker-2"},
			"true example.com/gpu:NoSchedule, example.com/maintenance=now:NoSchedule [run-1 run-1]"},
		{"a run that marked none", "run-3", nil, "true example.com/gpu:NoSchedule, example.com/maintenance=now:NoSchedule [run-1 run-1 run-2]"},
		{"all", "", []string{"worker-1", "worker-2"}, "false example.com/gpu:NoSchedule []"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{foreign} })
			w.Change(t, "worker-3", func(n *corev1.Node) { n.Spec.Unschedulable = true }) // by somebody else
			strike(t, w, "run-1", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")})
			taint := taintArgs("NoSchedule")
			strike(t, w, "run-1", "nodeTaint", &taint)
			other := taint
			other.Key, other.Node = "example.com/other", faultstest.NodeNamed("worker-2")
			strike(t, w, "run-2", "nodeTaint", &other)
			// The third mark's taint was taken away by somebody already.
			gone := taint
			gone.Key = "example.com/gone"
			strike(t, w, "run-2", "nodeTaint", &gone)
			w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Taints = n.Spec.Taints[:2] })

			for round, want := range [][]string{test.restored, nil} {
				restored, err := undoMarked(t.Context(), w.API, test.run, w.Records(t))
				if diff := cmp.Diff(want, restored); diff != "" || err != nil {
					t.Errorf("round %d: %v, restored (-want +got):\n%s", round, err, diff)
				}
			}
			node := w.Node(t, "worker-1")
			marks, err := marksOf(node)
			if err != nil {
				t.Fatal(err)
			}
			runs := []string{}
			for _, mark := range marks {
				runs = append(runs, mark.Run)
			}
			if got := fmt.Sprint(node.Spec.Unschedulable, " ", taintsOf(node), " ", runs); got != test.left {
				t.Errorf("left on worker-1: %s, want %s", got, test.left)
			}
			if !w.Node(t, "worker-3").Spec.Unschedulable {
				t.Error("what bears no mark was undone")
			}
		})
	}
}

// strike lets a fault of a run land. The kind is its name, with the taint's key.
func strike(t *testing.T, w *faultstest.World, run, kind string, args any) {
	t.Helper()
	env := w.Env
	env.Run = run
	name := kind
	if taint, ok := args.(*NodeTaintArgs); ok {
		name += taint.Key
	}
	d, err := w.Faults.Disturbance(name, kind, "", args, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAnAnnotationThatCannotBeReadIsReportedAndNotGuessed(t *testing.T) {
	t.Parallel()
	good := `{"run":"run-1","fault":"f","kind":"nodeCordon","uncordon":true}`
	for name, content := range map[string]string{
		"empty": "", "no JSON": "cordoned by run-1", "no list": good, "torn": "[" + good, "no mark": "[]", "null": "null",
		"a field that is not known": `[{"run":"run-1","fault":"f","uncordon":true,"delete":true}]`,
		"no run":                    `[{"fault":"f","uncordon":true}]`,
		"nothing to undo":           `[{"run":"run-1","fault":"f"}]`,
		"a taint of nothing":        `[{"run":"run-1","fault":"f","untaint":{"key":"","effect":""}}]`,
		"one of two":                "[" + good + `,{"run":"run-1"}]`,
		"more than a list":          "[" + good + "]]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Change(t, "worker-1", func(n *corev1.Node) {
				n.Spec.Unschedulable, n.Annotations = true, map[string]string{UndoAnnotation: content}
			})
			strike(t, w, "run-1", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-2")})
			restored, err := undoMarked(t.Context(), w.API, "", w.Records(t))
			var damaged *DamagedMarkError
			if !errors.As(err, &damaged) || damaged.Node != "worker-1" {
				t.Errorf("got %v, want a DamagedMarkError of worker-1", err)
			}
			if diff := cmp.Diff([]string{"worker-2"}, restored); diff != "" {
				t.Errorf("the other node (-want +got):\n%s", diff)
			}
			node := w.Node(t, "worker-1")
			if !node.Spec.Unschedulable || node.Annotations[UndoAnnotation] != content {
				t.Errorf("the node was changed: %+v", node)
			}
			taint := taintArgs("NoSchedule")
			d := w.Disturbance(t, "taint", "nodeTaint", &taint)
			if err := d.Inject(t.Context()); !errors.As(err, &damaged) {
				t.Errorf("a fault hit: %v", err)
			}
			if err := d.CleanUp(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAnAnnotationThatWasDamagedSinceKeepsTheRecordOpen has the run itself meet it when it undoes.
func TestAnAnnotationThatWasDamagedSinceKeepsTheRecordOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.Disturbance(t, "cordon", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")})
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := w.Node(t, "worker-1").Annotations[UndoAnnotation]
	w.Change(t, "worker-1", func(n *corev1.Node) { n.Annotations[UndoAnnotation] = good[1:] })
	faultstest.ExpectError(t, d.Recover(t.Context()), "cannot be read")
	if left := w.Open(t); len(left) != 1 || !w.Node(t, "worker-1").Spec.Unschedulable {
		t.Errorf("open undo records %v, want the cordon's; the node is to stay as it is", left)
	}
	w.Change(t, "worker-1", func(n *corev1.Node) { n.Annotations[UndoAnnotation] = good })
	if err := d.Recover(t.Context()); err != nil || len(w.Open(t)) > 0 {
		t.Errorf("once it was fixed: %v, open records %v", err, w.Open(t))
	}
}

func TestUndoMarkedOutlivesConflictsAndGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	strike(t, w, "run-1", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")})
	w.Env.Run = "run-2"
	strike(t, w, "run-2", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-2")})
	refused := 0
	w.API.PrependReactor("update", "nodes", func(action k8stesting.Action) (bool, runtime.Object, error) {
		if action.(k8stesting.UpdateAction).GetObject().(*corev1.Node).Name == "worker-1" {
			return true, nil, faultstest.ErrBroken
		}
		if refused++; refused > 1 {
			return false, nil, nil
		}
		return true, nil, apierrors.NewConflict(nodeResource().GroupResource(), "worker-2", errors.New("changed"))
	})
	restored, err := undoMarked(t.Context(), w.API, "", w.Records(t))
	if diff := cmp.Diff([]string{"worker-2"}, restored); diff != "" || !errors.Is(err, faultstest.ErrBroken) {
		t.Errorf("%v, restored (-want +got):\n%s", err, diff)
	}
	faultstest.ExpectError(t, err, "undo what is marked on node worker-1")
	if w.Node(t, "worker-2").Spec.Unschedulable || !w.Node(t, "worker-1").Spec.Unschedulable {
		t.Error("want worker-2 restored, and worker-1 as it was")
	}
}

func TestUndoMarkedWithoutTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.API.PrependReactor("list", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, faultstest.ErrBroken })
	if _, err := undoMarked(t.Context(), w.API, "", w.Records(t)); !errors.Is(err, faultstest.ErrBroken) {
		t.Errorf("got %v, want %v", err, faultstest.ErrBroken)
	}
}

// TestWhatWasUndoneByItsMarkIsNotUndoneAgain is the journal's machine coming back after another one cleaned up, when an
// operator has cordoned the node for reasons of their own.
func TestWhatWasUndoneByItsMarkIsNotUndoneAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	strike(t, w, "run-1", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")})
	if _, err := undoMarked(t.Context(), w.API, "run-1", w.Records(t)); err != nil {
		t.Fatal(err)
	}
	w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Unschedulable = true })
	undone, err := w.CleanerOf(w.Cluster, w.API, nil).UndoPending(t.Context(), w.Dir)
	if err != nil || len(undone) != 1 {
		t.Fatalf("undone %+v, %v", undone, err)
	}
	faultstest.ExpectError(t, errors.New(undone[0].Effect.Observations[0].What), "does not bear the fault's mark: nothing to undo")
	if !w.Node(t, "worker-1").Spec.Unschedulable {
		t.Error("the operator's cordon was undone")
	}
}

// TestARecordOfAnEarlierVersionIsUndone has no mark on the node and says so of none.
func TestARecordOfAnEarlierVersionIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	record := aRecord("drain", undo{Cordon: true})
	w.Change(t, "worker-1", func(n *corev1.Node) { n.Spec.Unschedulable = true })
	if _, err := w.CleanerOf(w.Cluster, w.API, nil).Undo(t.Context(), record); err != nil || w.Node(t, "worker-1").Spec.Unschedulable {
		t.Errorf("%v: the node must take pods again", err)
	}
}

// TestTwoFaultsMarkOneNode has each undo its own.
func TestTwoFaultsMarkOneNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	taint := taintArgs("NoSchedule")
	cordoned := w.Disturbance(t, "cordon", "nodeCordon", &NodeCordonArgs{Node: faultstest.NodeNamed("worker-1")})
	tainted := w.Disturbance(t, "taint", "nodeTaint", &taint)
	if err := errors.Join(cordoned.Inject(t.Context()), tainted.Inject(t.Context()), cordoned.Recover(t.Context())); err != nil {
		t.Fatal(err)
	}
	node := w.Node(t, "worker-1")
	marks, err := marksOf(node)
	if err != nil || len(marks) != 1 || marks[0].Fault != "taint" || node.Spec.Unschedulable || len(node.Spec.Taints) != 1 {
		t.Errorf("marks %+v, %v, spec %+v; want the taint alone", marks, err, node.Spec)
	}
	if err := tainted.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if node := w.Node(t, "worker-1"); len(node.Annotations) > 0 || len(node.Spec.Taints) > 0 {
		t.Errorf("left: %v, %v", node.Annotations, node.Spec.Taints)
	}
}

// TestARecoveryThatIsNotDoneIsNoticed lets the update that undoes have no effect.
func TestARecoveryThatIsNotDoneIsNoticed(t *testing.T) {
	t.Parallel()
	for kind, args := range markings() {
		w := newWorld(t).Suiting(kind)
		d := w.Disturbance(t, "strike", kind, args)
		if err := d.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.API.IgnoreNodeUpdates()
		faultstest.ExpectError(t, d.Recover(t.Context()), "is still marked as changed by fault strike of run run-1")
	}
}

// TestANodeWhoseObjectIsGoneIsRecovered has the node removed while it is cordoned, as an autoscaler does.
func TestANodeWhoseObjectIsGoneIsRecovered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.Disturbance(t, "cordon", "nodeCordon", &NodeCordonArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}})
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.API.CoreV1().Nodes().Delete(t.Context(), "worker-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := d.Recover(t.Context()); err != nil || len(w.Open(t)) > 0 {
		t.Errorf("%v, open records %v", err, w.Open(t))
	}
}

func TestUndoOnAnObjectNeedsTheAPI(t *testing.T) {
	t.Parallel()
	record := aRecord("drain", undo{Cordon: true})
	_, err := newWorld(t).CleanerOf(faultstest.NewCluster(), nil, nil).Undo(t.Context(), record)
	faultstest.ExpectError(t, err, "uncordon node worker-1: the API alone can do that, and it cannot be reached")
}

// TestAKubeletCannotLiftAQuarantineByAMark has a node write what its kubelet may write: its own annotations.
func TestAKubeletCannotLiftAQuarantineByAMark(t *testing.T) {
	t.Parallel()
	notReadyTaint := corev1.Taint{Key: "node.kubernetes.io/not-ready", Effect: corev1.TaintEffectNoExecute}
	own := corev1.Taint{Key: "example.com/own", Effect: corev1.TaintEffectNoSchedule}
	recordOf := func(node, uid string, taint *corev1.Taint, kind string) faults.Record {
		return faults.Record{
			Run: "run-1", Fault: "f", Kind: kind, Object: history.Object{Kind: "Node", Name: node, UID: uid}, Node: node,
			Undo: encoded(undo{Taint: taint, Cordon: taint == nil, Marked: true}),
		}
	}
	for name, tt := range map[string]struct {
		mark    string
		records []faults.Record
		lifted  bool
	}{
		"without a record": {mark: `[{"run":"run-1","fault":"f","kind":"nodeCordon","uncordon":true}]`},
		"a record of another node": {mark: `[{"run":"run-1","fault":"f","kind":"nodeCordon","uncordon":true}]`,
			records: []faults.Record{recordOf("worker-2", "uid-of-node", nil, "nodeCordon")}},
		"a record of the node before": {mark: `[{"run":"run-1","fault":"f","kind":"nodeCordon","uncordon":true}]`,
			records: []faults.Record{recordOf("worker-1", "old-uid", nil, "nodeCordon")}},
		"a record of another change": {mark: `[{"run":"run-1","fault":"f","kind":"nodeCordon","uncordon":true}]`,
			records: []faults.Record{recordOf("worker-1", "uid-of-node", &own, "nodeTaint")}},
		"a record of another run": {mark: `[{"run":"run-2","fault":"f","kind":"nodeCordon","uncordon":true}]`,
			records: []faults.Record{recordOf("worker-1", "uid-of-node", nil, "nodeCordon")}},
		"another taint than was recorded": {mark: `[{"run":"run-1","fault":"f","kind":"nodeTaint",` +
			`"untaint":{"key":"node.kubernetes.io/not-ready","effect":"NoExecute"}}]`,
			records: []faults.Record{recordOf("worker-1", "uid-of-node", &own, "nodeTaint")}},
		"a taint of Kubernetes' own": {mark: `[{"run":"run-1","fault":"f","kind":"nodeTaint","untaint":{"key":"node.kubernetes.io/not-ready",` +
			`"effect":"NoExecute"}}]`, records: []faults.Record{recordOf("worker-1", "uid-of-node", &notReadyTaint, "nodeTaint")}},
		"the same, as if out of service": {mark: `[{"run":"run-1","fault":"f","kind":"nodeOutOfService",` +
			`"untaint":{"key":"node.kubernetes.io/not-ready","effect":"NoExecute"}}]`,
			records: []faults.Record{recordOf("worker-1", "uid-of-node", &notReadyTaint, "nodeOutOfService")}},
		"what a fault did, and a record": {mark: `[{"run":"run-1","fault":"f","kind":"nodeCordon","uncordon":true}]`,
			records: []faults.Record{recordOf("worker-1", "uid-of-node", nil, "nodeCordon")}, lifted: true},
		"its own taint, and a record": {mark: `[{"run":"run-1","fault":"f","kind":"nodeTaint","untaint":{"key":"example.com/own",` +
			`"effect":"NoSchedule"}}]`, records: []faults.Record{recordOf("worker-1", "uid-of-node", &own, "nodeTaint")}, lifted: true},
		"one of two marks has its record ": {mark: `[{"run":"run-1","fault":"f","kind":"nodeCordon","uncordon":true},{"run":"run-1",` +
			`"fault":"f","kind":"nodeTaint","untaint":{"key":"node.kubernetes.io/not-ready","effect":"NoExecute"}}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Change(t, "worker-1", func(n *corev1.Node) {
				n.Spec.Unschedulable, n.Spec.Taints = true, []corev1.Taint{notReadyTaint, own}
				n.Annotations = map[string]string{UndoAnnotation: tt.mark}
			})
			restored, err := undoMarked(t.Context(), w.API, "", tt.records)
			var stray *StrayMarkError
			if errors.As(err, &stray) == tt.lifted || (len(restored) > 0) != tt.lifted {
				t.Errorf("restored %v, %v", restored, err)
			}
			node := w.Node(t, "worker-1")
			untouched := node.Spec.Unschedulable && len(node.Spec.Taints) == 2 && node.Annotations[UndoAnnotation] == tt.mark
			if untouched == tt.lifted || !hasTaint(node, notReadyTaint) {
				t.Errorf("the node: %+v, %v", node.Spec, node.Annotations)
			}
		})
	}
}

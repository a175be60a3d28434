package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestTaintArguments(t *testing.T) {
	t.Parallel()
	driver := scenario.NodeSelector{Of: scenario.OfDriver}
	for says, args := range map[string]NodeTaintArgs{
		`effect is "PreferNoSchedule"`:         {Node: driver, Effect: "PreferNoSchedule"},
		`key "a b"`:                            {Node: driver, Effect: "NoSchedule", Key: "a b"},
		`value "a b"`:                          {Node: driver, Effect: "NoSchedule", Value: "a b"},
		"Kubernetes' own controllers put such": {Node: driver, Effect: "NoExecute", Key: "node.kubernetes.io/unreachable"},
	} {
		if problems := strings.Join(checkNodeTaint(args), "; "); !strings.Contains(problems, says) {
			t.Errorf("%+v: %q, want %q", args, problems, says)
		}
	}
}

func TestATaintEvictsWhoDoesNotTolerateIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		toleration corev1.Toleration
		want       []string
	}{
		"none":             {corev1.Toleration{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists}, []string{"driver", "exec-1"}},
		"of everything":    {corev1.Toleration{Operator: corev1.TolerationOpExists}, []string{"exec-1"}},
		"of the key":       {corev1.Toleration{Key: defaultTaintKey, Operator: corev1.TolerationOpExists}, []string{"exec-1"}},
		"of another value": {corev1.Toleration{Key: defaultTaintKey, Value: "other"}, []string{"driver", "exec-1"}},
		"of the value":     {corev1.Toleration{Key: defaultTaintKey, Value: "v", Effect: corev1.TaintEffectNoExecute}, []string{"exec-1"}},
		"of another effect": {corev1.Toleration{Key: defaultTaintKey, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
			[]string{"driver", "exec-1"}},
	} {
		w := newWorld(t)
		driver, err := w.api.CoreV1().Pods(namespace).Get(t.Context(), "driver", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		driver.Spec.Tolerations = []corev1.Toleration{tt.toleration}
		if _, err := w.api.CoreV1().Pods(namespace).Update(t.Context(), driver, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		target, err := nodeTaint{args: NodeTaintArgs{Node: nodeNamed("worker-1"), Effect: "NoExecute", Value: "v"}}.Resolve(t.Context(), w.env)
		if err != nil {
			t.Fatal(err)
		}
		var evicted []string
		for _, pod := range target.Pods {
			evicted = append(evicted, pod.Name)
		}
		if diff := cmp.Diff(tt.want, evicted); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}

func TestATaintThatEvictsNobodyIsRefusedOrNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	expectError(t, w.disturbance(t, "a", "nodeTaint", &NodeTaintArgs{Node: nodeNamed("worker-3"), Effect: "NoExecute"}).Inject(t.Context()), "it would evict nothing")
	w.api.idleGC = true
	w.env.LandWithin = 100 * time.Millisecond
	d := w.disturbance(t, "b", "nodeTaint", &NodeTaintArgs{Node: nodeNamed("worker-1"), Effect: "NoExecute"})
	expectError(t, d.Inject(t.Context()), "2 of its 2 pods are not evicted")
	if err := d.CleanUp(t.Context()); err != nil || len(w.node(t, "worker-1").Spec.Taints) > 0 {
		t.Errorf("%v: the taint must go", err)
	}
}

func TestATaintThatKeepsAwayEvictsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.disturbance(t, "a", "nodeTaint", &NodeTaintArgs{Node: nodeNamed("worker-1"), Effect: "NoSchedule"}).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.api.CoreV1().Pods(namespace).Get(t.Context(), "driver", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	expectError(t, w.disturbance(t, "b", "nodeTaint", &NodeTaintArgs{Node: nodeNamed("worker-1"), Effect: "NoSchedule"}).Inject(t.Context()), "has a taint sparkchaos.dev/fault:NoSchedule already")
}

func TestWhatIsNotDoneToTheAPIIsNoticed(t *testing.T) {
	t.Parallel()
	for kind, tt := range map[string]struct {
		args any
		says string
	}{
		"nodeTaint":  {&NodeTaintArgs{Node: nodeNamed("worker-1"), Effect: "NoExecute", DryRun: true}, "has not the taint"},
		"nodeCordon": {&NodeCordonArgs{Node: nodeNamed("worker-1"), DryRun: true}, "is not cordoned"},
		"podEvict":   {&PodEvictArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, DryRun: true}, "is still there"},
	} {
		w := newWorld(t)
		w.env.LandWithin = 100 * time.Millisecond
		fault, err := New(kind, "", tt.args)
		if err != nil {
			t.Fatal(err)
		}
		d, err := newDisturbance("f", kind, tt.args, impatient{fault}, w.env)
		if err != nil {
			t.Fatal(err)
		}
		expectError(t, d.Inject(t.Context()), tt.says)
	}
}

func TestAnEvictionThatABudgetForbidsDoesNotLand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.api.budget = true
	w.env.LandWithin = 100 * time.Millisecond
	args := &PodEvictArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}}
	fault, err := New("podEvict", "", args)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDisturbance("f", "podEvict", args, impatient{fault}, w.env)
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, d.Inject(t.Context()), "disruption budget")
}

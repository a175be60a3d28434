package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// defaultTaintKey is that of a taint that names none.
const defaultTaintKey = "sparkchaos.dev/fault"

// NodeTaintArgs are the arguments of nodeTaint.
type NodeTaintArgs struct {
	// Node is the node that is tainted.
	Node scenario.NodeSelector `json:"node"`
	// Effect says what the taint does to pods that do not tolerate it: keep them away, or evict them, too.
	Effect string `json:"effect" enum:"NoSchedule|NoExecute"`
	// Key and Value are those of the taint; without a key it is one that nothing tolerates.
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
	// DryRun leaves the taint out; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeTaintArgs) Choose(executors int, pick func(n int) int) { a.Node.Choose(executors, pick) }

func (a NodeTaintArgs) taint() corev1.Taint {
	key := a.Key
	if key == "" {
		key = defaultTaintKey
	}
	return corev1.Taint{Key: key, Value: a.Value, Effect: corev1.TaintEffect(a.Effect)}
}

func nodeTaintKind() Kind {
	return definition[NodeTaintArgs]{
		name:  "nodeTaint",
		doc:   "A node gets a taint that keeps pods away or, with NoExecute, evicts those that do not tolerate it; recovering takes it away.",
		check: checkNodeTaint,
		build: func(a NodeTaintArgs) Fault { return nodeTaint{args: a} },
	}.kind()
}

func checkNodeTaint(a NodeTaintArgs) []string {
	problems := a.Node.Problems("node")
	if a.Effect != string(corev1.TaintEffectNoSchedule) && a.Effect != string(corev1.TaintEffectNoExecute) {
		problems = append(problems, fmt.Sprintf("effect is %q: expected NoSchedule or NoExecute", a.Effect))
	}
	for _, reason := range validation.IsQualifiedName(a.taint().Key) {
		problems = append(problems, fmt.Sprintf("key %q: %s", a.Key, reason))
	}
	for _, reason := range validation.IsValidLabelValue(a.Value) {
		problems = append(problems, fmt.Sprintf("value %q: %s", a.Value, reason))
	}
	if strings.HasPrefix(a.Key, "node.kubernetes.io/") {
		problems = append(problems, fmt.Sprintf("key %q: Kubernetes' own controllers put such taints on and take them away; use another one", a.Key))
	}
	return problems
}

// nodeTaint does what `kubectl taint` does.
type nodeTaint struct {
	untainting
	args NodeTaintArgs
}

// Describe implements Fault.
func (f nodeTaint) Describe() string {
	taint := f.args.taint()
	if f.args.DryRun {
		return fmt.Sprintf("pretend to taint %s with %s and do nothing: the proof has to notice", f.args.Node, taint.ToString())
	}
	return fmt.Sprintf("taint %s with %s", f.args.Node, taint.ToString())
}

// Needs implements Fault: the API is enough.
func (f nodeTaint) Needs() []cluster.Action { return nil }

// Resolve implements Fault. A taint that evicts must find somebody to evict.
func (f nodeTaint) Resolve(ctx context.Context, env Env) (Target, error) {
	name, err := resolveNode(env.Targets, f.args.Node)
	if err != nil {
		return Target{}, err
	}
	object, err := env.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Target{}, fmt.Errorf("look at node %s in the API: %w", name, err)
	}
	taint := f.args.taint()
	if hasTaint(object, taint) {
		return Target{}, fmt.Errorf("node %s has a taint %s already: its taints are %s", name, taint.ToString(), taintsOf(object))
	}
	target := Target{Object: history.Object{Kind: "Node", Name: name, UID: string(object.UID)}, Node: name, Taint: &taint}
	if taint.Effect != corev1.TaintEffectNoExecute {
		return target, nil
	}
	target.Pods, err = f.intolerant(ctx, env, name)
	if err == nil && len(target.Pods) == 0 {
		err = fmt.Errorf("node %s carries no pod of namespace %s that does not tolerate the taint %s: it would evict nothing", name, env.Namespace, taint.ToString())
	}
	return target, err
}

// intolerant returns the run's pods on a node that the taint evicts and nobody wants away yet.
func (f nodeTaint) intolerant(ctx context.Context, env Env, node string) ([]history.Object, error) {
	list, err := env.Client.CoreV1().Pods(env.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at the pods of namespace %s: %w", env.Namespace, err)
	}
	taint := f.args.taint()
	var found []history.Object
	for _, pod := range list.Items {
		tolerates := slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool { return tolerated(t, taint) })
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Spec.NodeName == node && !tolerates && !ended && pod.DeletionTimestamp == nil {
			found = append(found, history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)})
		}
	}
	return found, nil
}

// tolerated says whether a toleration is for the taint, for however long.
func tolerated(t corev1.Toleration, taint corev1.Taint) bool {
	return (t.Effect == "" || t.Effect == taint.Effect) && (t.Key == "" && t.Operator == corev1.TolerationOpExists || t.Key == taint.Key) &&
		(t.Operator == corev1.TolerationOpExists || t.Value == taint.Value)
}

// Inject implements Fault.
func (f nodeTaint) Inject(ctx context.Context, env Env, target Target) (Effect, error) {
	if f.args.DryRun {
		return Effect{Began: env.Now()}, nil
	}
	return taint(ctx, env, target)
}

// ProveLanded implements Fault: the taint stands on the object and, if it evicts, each pod that it was to evict is being deleted,
// has ended or is gone.
func (f nodeTaint) ProveLanded(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	proof := Proof{Evidence: cluster.Evidence{Action: nodeTainted, Node: target.Node, Begun: effect.Began, Observations: effect.Observations}}
	err := until(ctx, env.PollEvery, func(ctx context.Context) (bool, error, error) {
		if transient, final := isTainted(ctx, env, target); transient != nil || final != nil {
			return false, transient, final
		}
		if len(target.Pods) == 0 {
			return true, nil, nil
		}
		left, err := f.intolerant(ctx, env, target.Node)
		if err != nil {
			return false, err, nil
		}
		left = slices.DeleteFunc(left, func(pod history.Object) bool { return !slices.Contains(target.Pods, pod) })
		if len(left) > 0 {
			return false, fmt.Errorf("node %s has the taint, but %d of its %d pods are not evicted: %s …", target.Node, len(left), len(target.Pods), left[0].Name), nil
		}
		return true, nil, nil
	})
	if err != nil {
		return Proof{}, err
	}
	proof.Observations = append(proof.Observations, tainted(env, target))
	if len(target.Pods) > 0 {
		proof.Before = target.Pods
		proof.Observations = append(proof.Observations, cluster.Observation{What: fmt.Sprintf("all %d pods that do not tolerate it are being deleted, have ended or are gone", len(target.Pods)), How: podsView, At: env.Now()})
	}
	return proof, nil
}

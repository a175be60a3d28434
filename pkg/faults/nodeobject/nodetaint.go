package nodeobject

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// byTaintManager is the reason that Kubernetes gives to a pod which it deletes for a taint.
const byTaintManager = "DeletionByTaintManager"

// NodeTaintArgs are the arguments of nodeTaint.
type NodeTaintArgs struct {
	// Node is the node that is tainted.
	Node scenario.NodeSelector `json:"node"`
	// Key of the taint, such as example.com/maintenance; none of Kubernetes' own.
	Key string `json:"key"`
	// Value of the taint.
	Value string `json:"value,omitempty"`
	// Effect of the taint: NoSchedule keeps new pods away, NoExecute drives those out that do not tolerate it.
	Effect string `json:"effect" enum:"NoSchedule|NoExecute"`
	// DryRun leaves the taint out; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeTaintArgs) Choose(executors int, pick func(n int) int) { a.Node.Choose(executors, pick) }

func (a NodeTaintArgs) taint() corev1.Taint {
	return corev1.Taint{Key: a.Key, Value: a.Value, Effect: corev1.TaintEffect(a.Effect)}
}

func nodeTaintKind() faults.Kind {
	return faults.Definition[NodeTaintArgs]{
		Name: "nodeTaint",
		Doc: "An operator taints a node: with NoSchedule nothing more is scheduled onto it, with NoExecute Kubernetes also deletes the pods " +
			"on it that do not tolerate the taint; recovering removes the taint.",
		Example: NodeTaintArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}, Key: "example.com/maintenance", Effect: "NoExecute"},
		Effects: func(a NodeTaintArgs) []history.Effect {
			if (nodeTaint{args: a}).executes() {
				return []history.Effect{history.EndsPods, history.MarksNode}
			}
			return []history.Effect{history.MarksNode}
		},
		Check: checkNodeTaint,
		Build: func(a NodeTaintArgs) faults.Fault { return nodeTaint{args: a} },
	}.Kind()
}

func checkNodeTaint(a NodeTaintArgs) []string {
	problems := a.Node.Problems("node")
	for _, problem := range validation.IsQualifiedName(a.Key) {
		problems = append(problems, fmt.Sprintf("key is %q: %s", a.Key, problem))
	}
	if err := refuseReserved(a.Key); err != nil {
		problems = append(problems, err.Error())
	}
	for _, problem := range validation.IsValidLabelValue(a.Value) {
		problems = append(problems, fmt.Sprintf("value is %q: %s", a.Value, problem))
	}
	if effects := []string{string(corev1.TaintEffectNoSchedule), string(corev1.TaintEffectNoExecute)}; !slices.Contains(effects, a.Effect) {
		problems = append(problems, fmt.Sprintf("effect is %q: expected one of %s", a.Effect, strings.Join(effects, ", ")))
	}
	return problems
}

// refuseReserved returns an error if a taint's key is Kubernetes' own: its controllers put and remove them as they see fit, and
// nodeOutOfService alone looks whether the node is off.
func refuseReserved(key string) error {
	if domain, _, _ := strings.Cut(key, "/"); domain == "kubernetes.io" || strings.HasSuffix(domain, ".kubernetes.io") {
		return fmt.Errorf(
			"key is %q: taints of kubernetes.io are Kubernetes' own; choose another domain, or nodeOutOfService for a node that is off", key)
	}
	return nil
}

// nodeTaint does what `kubectl taint nodes` does.
type nodeTaint struct {
	onNodeObject
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

// LeavesRunning reports whether no pod is affected.
func (f nodeTaint) LeavesRunning() bool { return !f.executes() }

func (f nodeTaint) executes() bool { return f.args.Effect == string(corev1.TaintEffectNoExecute) }

// Resolve implements Fault.
func (f nodeTaint) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	object, err := look.NodeObject(ctx, env, f.args.Node)
	if err != nil {
		return faults.Target{}, err
	}
	taint := f.args.taint()
	change, err := changeNodeObject(object, &taint)
	if err != nil || !f.executes() {
		return resolvedTo(change, err)
	}
	pods, err := podsOfRun(ctx, env)
	if err != nil {
		return faults.Target{}, err
	}
	for _, pod := range pods {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Spec.NodeName == change.Node && !ended && pod.DeletionTimestamp == nil && !tolerates(ctx, pod, taint) {
			change.Pods = append(change.Pods, podObject(pod))
		}
	}
	if len(change.Pods) == 0 {
		return faults.Target{}, fmt.Errorf("node %s carries no pod of namespace %s that does not tolerate the taint %s: it would drive out none",
			change.Node, env.Namespace, taint.ToString())
	}
	return change.target()
}

// tolerates reports whether a pod tolerates a taint, for ever or for a while.
func tolerates(ctx context.Context, pod corev1.Pod, taint corev1.Taint) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
		return t.ToleratesTaint(klog.FromContext(ctx), &taint, true)
	})
}

// Inject implements Fault.
func (f nodeTaint) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	return injectOnNode(ctx, env, target, f.args.DryRun)
}

// ProveLanded implements Fault. A taint that only keeps pods away is seen to stay. Of one that drives them out the consequence is
// seen: Kubernetes deletes them, and names the taint as the reason for at least one.
func (f nodeTaint) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	if !f.executes() {
		return proveStays(ctx, env, target, effect)
	}
	pods := changeOf(target).Pods
	said := map[string]bool{} // UIDs of pods that are deleted for the taint, says Kubernetes
	driven := func(ctx context.Context) error {
		now, err := podsOfRun(ctx, env)
		if err != nil {
			return err
		}
		var left []string
		for _, pod := range now {
			if !slices.Contains(pods, podObject(pod)) {
				continue
			}
			if pod.DeletionTimestamp == nil {
				left = append(left, pod.Name)
			}
			if look.Disruption(&pod) == byTaintManager {
				said[string(pod.UID)] = true
			}
		}
		switch {
		case len(left) > 0:
			return fmt.Errorf("node %s has the taint, but of its pods %v are not deleted", target.Node, left)
		case len(said) == 0:
			return fmt.Errorf("%s of node %s %s deleted, but for none of them Kubernetes gave the reason %s", wording.All(len(pods), "pod"),
				target.Node, wording.Verb(len(pods), "is", "are"), byTaintManager)
		default:
			return nil
		}
	}
	deleted := fmt.Sprintf("%s that %s not tolerate it %s deleted", wording.All(len(pods), "pod"), wording.Verb(len(pods), "does", "do"),
		wording.Verb(len(pods), "is", "are"))
	proof, err := proveStruck(ctx, env, target, effect, driven, deleted, look.PodsView)
	if err != nil {
		return faults.Proof{}, err
	}
	proof.Observations = append(proof.Observations, cluster.Observation{
		What: fmt.Sprintf("Kubernetes says %s of %d of them", byTaintManager, len(said)),
		How:  "the condition DisruptionTarget of the Pods in the API", At: env.Now(),
	})
	return proof, nil
}

// Patience is what Kubernetes' controller takes to drive pods out when it has many to look at.
func (f nodeTaint) Patience(faults.Target) time.Duration {
	if !f.executes() {
		return 0
	}
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

// podsOfRun returns all pods of the run's namespace.
func podsOfRun(ctx context.Context, env faults.Env) ([]corev1.Pod, error) {
	list, err := env.Client.CoreV1().Pods(env.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at the pods of namespace %s: %w", env.Namespace, err)
	}
	return list.Items, nil
}

func podObject(pod corev1.Pod) history.Object {
	return history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)}
}

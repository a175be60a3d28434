package nodeobject

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/faults/pod"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodeDrainArgs are the arguments of nodeDrain.
type NodeDrainArgs struct {
	// Node is the node that is drained.
	Node scenario.NodeSelector `json:"node"`
	// DryRun leaves cordon and evictions out; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeDrainArgs) Choose(executors int, pick func(n int) int) { a.Node.Choose(executors, pick) }

func nodeDrainKind() faults.Kind {
	return faults.Definition[NodeDrainArgs]{
		Name: "nodeDrain",
		Doc: "An operator drains a node: nothing more is scheduled onto it, and the run's pods on it are evicted, except those of " +
			"DaemonSets; recovering makes it schedulable again.",
		Example: NodeDrainArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[NodeDrainArgs](history.EndsPods, history.MarksNode),
		Check:   func(a NodeDrainArgs) []string { return a.Node.Problems("node") },
		Build:   func(a NodeDrainArgs) faults.Fault { return nodeDrain{args: a} },
	}.Kind()
}

// nodeDrain does what `kubectl drain` does, to the pods of the run alone. An eviction that a PodDisruptionBudget forbids is
// tried again until the time is up.
type nodeDrain struct {
	onNodeObject
	args NodeDrainArgs
}

// Describe implements Fault.
func (f nodeDrain) Describe() string {
	if f.args.DryRun {
		return fmt.Sprintf("pretend to drain %s and do nothing: the proof has to notice", f.args.Node)
	}
	return "drain " + f.args.Node.String()
}

// Patience is the grace period that the pods may use up.
func (f nodeDrain) Patience(faults.Target) time.Duration {
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

// Resolve implements Fault.
func (f nodeDrain) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	object, err := look.NodeObject(ctx, env, f.args.Node)
	if err != nil {
		return faults.Target{}, err
	}
	change, err := changeNodeObject(object, nil)
	if err != nil {
		return faults.Target{}, err
	}
	pods, err := f.pods(ctx, env, object.Name)
	if err != nil {
		return faults.Target{}, err
	}
	if len(pods) == 0 {
		return faults.Target{}, fmt.Errorf("node %s carries no pod of namespace %s that could be evicted", object.Name, env.Namespace)
	}
	change.Pods = pods
	return change.target()
}

// pods returns the run's pods on a node that have not ended and that a drain evicts.
func (f nodeDrain) pods(ctx context.Context, env faults.Env, node string) ([]history.Object, error) {
	pods, err := podsOfRun(ctx, env)
	if err != nil {
		return nil, err
	}
	var found []history.Object
	for _, pod := range pods {
		owner := metav1.GetControllerOf(&pod)
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Spec.NodeName != node || ended || owner != nil && owner.Kind == "DaemonSet" {
			continue
		}
		found = append(found, podObject(pod))
	}
	return found, nil
}

// Inject implements Fault.
func (f nodeDrain) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	effect, err := injectOnNode(ctx, env, target, f.args.DryRun)
	if err != nil || f.args.DryRun {
		return effect, err
	}
	pods := changeOf(target).Pods
	for _, evicted := range pods {
		if err := pod.Evict(ctx, env, evicted); err != nil && !apierrors.IsNotFound(err) { // gone is as good as evicted
			return effect, err
		}
	}
	effect.Observations = append(effect.Observations, cluster.Observation{What: "the API server accepted the eviction of " +
		wording.Count(len(pods), "pod"), How: "its answers, with the pods' UIDs as preconditions", At: env.Now()})
	return effect, nil
}

// ProveLanded implements Fault: the node takes no pods, and none of those that it carried runs on it any more.
func (f nodeDrain) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	left := func(ctx context.Context) error {
		now, err := f.pods(ctx, env, target.Node)
		if err != nil {
			return err
		}
		return stillThere(changeOf(target), now)
	}
	n := len(changeOf(target).Pods)
	gone := fmt.Sprintf("%s that %s evicted no longer %s", wording.All(n, "pod"), wording.Verb(n, "was", "were"),
		wording.Verb(n, "runs", "run"))
	return proveStruck(ctx, env, target, effect, left, gone, look.PodsView)
}

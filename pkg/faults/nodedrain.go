package faults

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
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

func nodeDrainKind() Kind {
	return definition[NodeDrainArgs]{
		name:  "nodeDrain",
		doc:   "An operator takes a node out of use: nothing more is scheduled onto it, and the run's pods on it are evicted, but for those of DaemonSets; recovering lets it be used again.",
		check: func(a NodeDrainArgs) []string { return a.Node.Problems("node") },
		build: func(a NodeDrainArgs) Fault { return nodeDrain{args: a} },
	}.kind()
}

// nodeDrain does what `kubectl drain` does, to the pods of the run alone. An eviction that a PodDisruptionBudget forbids is
// tried again until the time is up.
type nodeDrain struct {
	uncordoning
	args NodeDrainArgs
}

// Describe implements Fault.
func (f nodeDrain) Describe() string {
	if f.args.DryRun {
		return fmt.Sprintf("pretend to drain %s and do nothing: the proof has to notice", f.args.Node)
	}
	return "drain " + f.args.Node.String()
}

// Needs implements Fault: the API is enough.
func (f nodeDrain) Needs() []cluster.Action { return nil }

// Patience is the grace period that the pods may use up.
func (f nodeDrain) Patience(Target) time.Duration {
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

// Resolve implements Fault.
func (f nodeDrain) Resolve(ctx context.Context, env Env) (Target, error) {
	target, err := resolveUncordoned(ctx, env, f.args.Node)
	if err != nil {
		return Target{}, err
	}
	target.Pods, err = f.pods(ctx, env, target.Node)
	if err == nil && len(target.Pods) == 0 {
		err = fmt.Errorf("node %s carries no pod of namespace %s that could be evicted", target.Node, env.Namespace)
	}
	return target, err
}

// pods returns the run's pods on a node that have not ended and that a drain evicts.
func (f nodeDrain) pods(ctx context.Context, env Env, node string) ([]history.Object, error) {
	list, err := env.Client.CoreV1().Pods(env.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at the pods of namespace %s: %w", env.Namespace, err)
	}
	var found []history.Object
	for _, pod := range list.Items {
		owner := metav1.GetControllerOf(&pod)
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Spec.NodeName != node || ended || owner != nil && owner.Kind == "DaemonSet" {
			continue
		}
		found = append(found, history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID)})
	}
	return found, nil
}

// Inject implements Fault.
func (f nodeDrain) Inject(ctx context.Context, env Env, target Target) (Effect, error) {
	if f.args.DryRun {
		return Effect{Began: env.Now()}, nil
	}
	effect, err := cordon(ctx, env, target)
	if err != nil {
		return effect, err
	}
	for _, pod := range target.Pods {
		if err := evict(ctx, env, pod); err != nil {
			return effect, err
		}
	}
	effect.Observations = append(effect.Observations, cluster.Observation{What: fmt.Sprintf("the API server accepted the eviction of %d pods", len(target.Pods)), How: "its answers, with the pods' UIDs as preconditions", At: env.Now()})
	return effect, nil
}

// evict asks for a pod's eviction until it is granted: a PodDisruptionBudget may forbid it for a while.
func evict(ctx context.Context, env Env, pod history.Object) error {
	uid := types.UID(pod.UID)
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}},
	}
	return until(ctx, env.PollEvery, func(ctx context.Context) (bool, error, error) {
		err := env.Client.CoreV1().Pods(pod.Namespace).EvictV1(ctx, eviction)
		switch {
		case err == nil || apierrors.IsNotFound(err):
			return true, nil, nil
		case apierrors.IsTooManyRequests(err):
			return false, fmt.Errorf("evict pod %s/%s: %w", pod.Namespace, pod.Name, err), nil
		default:
			return false, nil, fmt.Errorf("evict pod %s/%s with UID %s: %w", pod.Namespace, pod.Name, pod.UID, err)
		}
	})
}

// ProveLanded implements Fault: the node takes no pods, and none of those that it carried runs on it any more.
func (f nodeDrain) ProveLanded(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	proof := Proof{
		Evidence: cluster.Evidence{Action: nodeCordoned, Node: target.Node, Begun: effect.Began, Observations: effect.Observations},
		Before:   target.Pods, After: []history.Object{},
	}
	err := until(ctx, env.PollEvery, func(ctx context.Context) (bool, error, error) {
		if transient, final := isCordoned(ctx, env, target); transient != nil || final != nil {
			return false, transient, final
		}
		now, err := f.pods(ctx, env, target.Node)
		if err != nil {
			return false, err, nil
		}
		left := slices.DeleteFunc(now, func(pod history.Object) bool { return !slices.Contains(target.Pods, pod) })
		if len(left) > 0 {
			return false, fmt.Errorf("node %s is cordoned, but %d of its %d pods are still there: %s …", target.Node, len(left), len(target.Pods), left[0].Name), nil
		}
		return true, nil, nil
	})
	if err != nil {
		return Proof{}, err
	}
	proof.Observations = append(proof.Observations,
		cordoned(env, target),
		cluster.Observation{What: fmt.Sprintf("all %d pods that were evicted are gone or have ended", len(target.Pods)), How: podsView, At: env.Now()})
	return proof, nil
}

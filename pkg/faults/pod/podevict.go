package pod

import (
	"context"
	"fmt"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// podEviction is the action in the evidence of an evicted pod. It is done to the API, not to a machine.
const podEviction cluster.Action = "pod-evict"

// PodEvictArgs are the arguments of podEvict.
type PodEvictArgs struct {
	// Pod is the pod that is evicted.
	Pod scenario.PodSelector `json:"pod"`
	// DryRun leaves the eviction out; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *PodEvictArgs) Choose(executors int, pick func(n int) int) { a.Pod.Choose(executors, pick) }

func podEvictKind() faults.Kind {
	return faults.Definition[PodEvictArgs]{
		Name: "podEvict",
		Doc: "A pod is evicted, as by a drain or an autoscaler: PodDisruptionBudgets are respected, and one that forbids the eviction until " +
			"the deadline keeps the fault from landing; nothing has to be undone.",
		Example: PodEvictArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[PodEvictArgs](history.EndsPods),
		Instant: true,
		Check:   func(a PodEvictArgs) []string { return a.Pod.Problems("pod") },
		Build:   func(a PodEvictArgs) faults.Fault { return podEvict{podEnd{podEviction}, a} },
	}.Kind()
}

// podEvict asks for a pod's end where podKill orders it.
type podEvict struct {
	podEnd
	args PodEvictArgs
}

// Describe implements Fault.
func (f podEvict) Describe() string {
	if f.args.DryRun {
		return fmt.Sprintf("pretend to evict %s and do nothing: the proof has to notice", f.args.Pod)
	}
	return fmt.Sprintf("evict %s", f.args.Pod)
}

// Resolve implements Fault.
func (f podEvict) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	return resolvePodEnd(ctx, env, f.args.Pod)
}

// Inject implements Fault. A pod that is gone by itself was not evicted.
func (f podEvict) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	effect := faults.Effect{Began: env.Now()}
	if f.args.DryRun {
		return effect, nil
	}
	if err := Evict(ctx, env, target.Object); err != nil {
		return effect, err
	}
	effect.Observations = []cluster.Observation{{What: "the API server accepted the eviction", How: "its answer, with the UID as precondition",
		At: env.Now()}}
	return effect, nil
}

// byEviction is the reason that Kubernetes gives to a pod which it evicts.
const byEviction = "EvictionByEvictionAPI"

// ProveLanded implements Fault: the pod has ended, and Kubernetes said that it is evicted. An executor's pod may end by itself, too.
func (f podEvict) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	proof, err := f.podEnd.ProveLanded(ctx, env, target, effect)
	if err != nil {
		return faults.Proof{}, err
	}
	if last, ok := proof.After.(look.PodState); !ok || last.Disruption != byEviction {
		return faults.Proof{}, fmt.Errorf("pod %s/%s has ended, but not by an eviction: Kubernetes gives it the reason %q, expected %q",
			target.Object.Namespace, target.Object.Name, last.Disruption, byEviction)
	}
	return proof, nil
}

// Evict asks for a pod's eviction until it is granted: a PodDisruptionBudget may forbid it for a while.
func Evict(ctx context.Context, env faults.Env, pod history.Object) error {
	uid := types.UID(pod.UID)
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}},
	}
	return await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		err := env.Client.CoreV1().Pods(pod.Namespace).EvictV1(ctx, eviction)
		switch {
		case err == nil:
			return await.Done()
		case apierrors.IsTooManyRequests(err):
			return await.NotYet(fmt.Errorf("evict pod %s/%s: %w", pod.Namespace, pod.Name, err))
		default:
			return await.Failed(fmt.Errorf("evict pod %s/%s with UID %s: %w", pod.Namespace, pod.Name, pod.UID, err))
		}
	})
}

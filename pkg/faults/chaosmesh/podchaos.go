package chaosmesh

import (
	"context"
	"fmt"
	"slices"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// podChaos is PodChaos: one pod is killed, made to fail, or loses a container.
type podChaos struct {
	action v1alpha1.PodChaosAction
	grace  int64 // of a kill, in seconds
}

// Kind implements chaosEffect.
func (podChaos) Kind() string { return v1alpha1.KindPodChaos }

// OneShot implements chaosEffect.
func (p podChaos) OneShot() bool { return p.action != v1alpha1.PodFailureAction }

// Spec implements chaosEffect.
func (p podChaos) Spec(target chaosTarget) chaosmesh.Spec {
	spec := v1alpha1.PodChaosSpec{Action: p.action, GracePeriod: p.grace}
	spec.PodSelector = chaosmesh.Pods(target.Object.Namespace, target.Object.Name)
	switch p.action {
	case v1alpha1.PodFailureAction:
		spec.Duration = durationOf(deadline)
	case v1alpha1.ContainerKillAction:
		for name := range target.Images {
			spec.ContainerNames = append(spec.ContainerNames, name)
		}
		slices.Sort(spec.ContainerNames)
	}
	return spec
}

// Before implements chaosEffect.
func (podChaos) Before(_ context.Context, _ faults.Env, target *chaosTarget) error {
	if len(target.Pod.Running) == 0 {
		return fmt.Errorf("pod %s/%s has no running container that could be seen to end", target.Object.Namespace, target.Object.Name)
	}
	return nil
}

// Holds implements chaosEffect: none of the containers that ran before runs any more.
func (p podChaos) Holds(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	gone, state, err := podGone(ctx, env, target.Object, target.Node)
	if err != nil {
		return cluster.Observation{}, err
	}
	if p.action == v1alpha1.PodKillAction {
		if gone == nil {
			return cluster.Observation{}, fmt.Errorf("pod %s/%s is still there: phase %s, running containers %v", target.Object.Namespace,
				target.Object.Name, state.Phase, state.Running)
		}
		gone.What = state.Words()
		return *gone, nil
	}
	for _, container := range state.Running {
		if slices.Contains(target.Pod.Running, container) {
			return cluster.Observation{}, faults.SeenInstead("container %s of pod %s/%s still runs", container, target.Object.Namespace,
				target.Object.Name)
		}
	}
	what := fmt.Sprintf("none of %s that ran before runs any more", wording.Count(len(target.Pod.Running), "container"))
	if words := state.Words(); words != "" {
		what += ": " + words
	}
	return cluster.Observation{What: what, How: look.PodsView, At: env.Now()}, nil
}

// Over implements chaosEffect: of a pod that was made to fail, its own images are back; the others are what they became.
func (p podChaos) Over(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	object, err := look.Pod(ctx, env, target.Object.Namespace, target.Object.Name)
	if err != nil {
		return cluster.Observation{}, err
	}
	if object != nil && string(object.UID) == target.Object.UID {
		for name, image := range imagesOf(object) {
			if image != target.Images[name] {
				return cluster.Observation{}, fmt.Errorf("container %s of pod %s/%s still has the image %s instead of %s", name,
					target.Object.Namespace, target.Object.Name, image, target.Images[name])
			}
		}
		if p.action == v1alpha1.PodKillAction && object.DeletionTimestamp != nil {
			return cluster.Observation{}, fmt.Errorf("pod %s/%s is still ending on node %s", target.Object.Namespace, target.Object.Name,
				object.Spec.NodeName)
		}
	}
	return cluster.Observation{What: "the pod has its own images", How: look.PodsView, At: env.Now()}, nil
}

// Kill returns the fault that deletes a pod by means of Chaos Mesh, with a grace period in seconds.
func Kill(words string, pod scenario.PodSelector, grace int64) faults.Fault {
	return chaosFault{words: words, pod: pod, effect: podChaos{action: v1alpha1.PodKillAction, grace: grace}}
}

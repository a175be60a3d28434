package faults

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
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
func (podChaos) Before(_ context.Context, _ Env, target *chaosTarget) error {
	if len(target.Pod.Running) == 0 {
		return fmt.Errorf("pod %s/%s has no running container that could be seen to end", target.Object.Namespace, target.Object.Name)
	}
	return nil
}

// Holds implements chaosEffect: none of the containers that ran before runs any more.
func (p podChaos) Holds(ctx context.Context, env Env, target chaosTarget) (cluster.Observation, error) {
	gone, state, err := podGone(ctx, env, target.Object, target.Node)
	if err != nil {
		return cluster.Observation{}, err
	}
	if p.action == v1alpha1.PodKillAction {
		if gone == nil {
			return cluster.Observation{}, fmt.Errorf("pod %s/%s is still there: phase %s, running containers %v", target.Object.Namespace, target.Object.Name, state.Phase, state.Running)
		}
		gone.What = state.words()
		return *gone, nil
	}
	for _, container := range state.Running {
		if slices.Contains(target.Pod.Running, container) {
			return cluster.Observation{}, seenInstead("container %s of pod %s/%s still runs", container, target.Object.Namespace, target.Object.Name)
		}
	}
	what := fmt.Sprintf("none of the %d containers that ran before runs any more", len(target.Pod.Running))
	if words := state.words(); words != "" {
		what += ": " + words
	}
	return cluster.Observation{What: what, How: podsView, At: env.Now()}, nil
}

// Over implements chaosEffect: of a pod that was made to fail, its own images are back; the others are what they became.
func (p podChaos) Over(ctx context.Context, env Env, target chaosTarget) (cluster.Observation, error) {
	object, err := getPod(ctx, env, target.Object.Namespace, target.Object.Name)
	if err != nil {
		return cluster.Observation{}, err
	}
	if object != nil && string(object.UID) == target.Object.UID {
		for name, image := range imagesOf(object) {
			if image != target.Images[name] {
				return cluster.Observation{}, fmt.Errorf("container %s of pod %s/%s still has the image %s instead of %s", name, target.Object.Namespace, target.Object.Name, image, target.Images[name])
			}
		}
		if p.action == v1alpha1.PodKillAction && object.DeletionTimestamp != nil {
			return cluster.Observation{}, fmt.Errorf("pod %s/%s is still ending on node %s", target.Object.Namespace, target.Object.Name, object.Spec.NodeName)
		}
	}
	return cluster.Observation{What: "the pod has its own images", How: podsView, At: env.Now()}, nil
}

// killByChaosMesh is podKill by means of Chaos Mesh. Without a grace period of its own it is the pod's that Kubernetes would
// give, which Chaos Mesh cannot leave open: it then is Kubernetes' default.
func killByChaosMesh(a PodKillArgs) Fault {
	const defaultGrace = 30
	grace := int64(defaultGrace)
	switch {
	case a.Force:
		grace = 0
	case a.Grace != nil:
		grace = int64(time.Duration(*a.Grace) / time.Second)
	}
	return chaosFault{words: podKill{args: a}.Describe() + ", by Chaos Mesh", pod: a.Pod, effect: podChaos{action: v1alpha1.PodKillAction, grace: grace}}
}

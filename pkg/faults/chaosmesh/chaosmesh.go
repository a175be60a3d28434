package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// chaosView is how observations name where it was read what Chaos Mesh says.
const chaosView = "the resource's status, as Chaos Mesh wrote it"

// ClaimedInjected is the key in an event's Detail under which it stands when Chaos Mesh said that all was injected; the evidence
// says when the effect was seen.
const ClaimedInjected = "chaosMeshClaimedInjected"

// deadline is the duration of every resource: the effect ends by itself, even if nobody is left to end it.
const deadline = 15 * time.Minute

// chaosEffect is what a resource of Chaos Mesh is to bring about, and how that is seen from outside.
type chaosEffect interface {
	// Kind is that of the resource, e.g. PodChaos.
	Kind() string
	// Spec returns the resource's spec.
	Spec(target chaosTarget) chaosmesh.Spec
	// OneShot effects are over once they took effect; Chaos Mesh never reports them as recovered.
	OneShot() bool
	// Before looks at the target before it is hit and may refuse it: what is so already cannot be proven to be an effect.
	Before(ctx context.Context, env faults.Env, target *chaosTarget) error
	// Holds reports whether the effect is seen, and how. An error says what was seen instead.
	Holds(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error)
	// Over reports whether nothing of the effect is left; it is asked when the resource is gone and the pods are there.
	Over(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error)
}

// chaosFault brings an effect about by a resource of Chaos Mesh that selects its pods by name. Chaos Mesh's claim that all
// is injected is noted, and proves nothing: the effect has to be seen.
type chaosFault struct {
	words  string
	pod    scenario.PodSelector
	peer   *scenario.PodSelector // the pod at the other end, for faults of the network between two
	effect chaosEffect
}

// Describe implements Fault.
func (f chaosFault) Describe() string { return f.words }

// Needs implements Fault: no machine is touched.
func (f chaosFault) Needs() []cluster.Action { return nil }

// Resolve implements Fault.
func (f chaosFault) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	if env.Chaos == nil {
		return faults.Target{}, errors.New("there is no Chaos Mesh on this cluster: `sparkchaos chaos-mesh install`")
	}
	pod, object, err := look.RunningPod(ctx, env, f.pod)
	if err != nil {
		return faults.Target{}, err
	}
	state := look.StateOf(object)
	target := chaosTarget{
		Object: history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: state.UID}, Node: state.Node, Pod: state,
		Images: imagesOf(object), Resource: newResource(env, f.effect.Kind(), pod.Namespace, pod.Name), OneShot: f.effect.OneShot(),
	}
	if f.peer != nil {
		peer, object, err := look.RunningPod(ctx, env, *f.peer)
		if err != nil {
			return faults.Target{}, err
		}
		if peer.Name == pod.Name {
			return faults.Target{}, fmt.Errorf("pod %s/%s is at both ends: choose two pods", pod.Namespace, pod.Name)
		}
		target.Peer = &Peer{Name: peer.Name, UID: string(object.UID), Address: object.Status.PodIP, Node: object.Spec.NodeName}
		target.Resource.Pods = append(target.Resource.Pods, peer.Name)
	}
	refused := f.effect.Before(ctx, env, &target)
	resolved, err := target.resolved(target)
	if refused != nil {
		return resolved, refused
	}
	return resolved, err
}

// newResource names a resource of Chaos Mesh that is to hit pods of a namespace, as no other is named.
func newResource(env faults.Env, kind, namespace string, pods ...string) chaosmesh.Resource {
	return chaosmesh.Resource{Kind: kind, Namespace: namespace, Name: fmt.Sprintf("sparkchaos-%x", env.Now().UnixNano()), Pods: pods}
}

// imagesOf returns the image of each container by the container's name.
func imagesOf(pod *corev1.Pod) map[string]string {
	images := map[string]string{}
	for _, container := range pod.Spec.Containers {
		images[container.Name] = container.Image
	}
	return images
}

// Inject implements Fault: it returns when Chaos Mesh says that all is injected, or has nothing to say any more.
func (f chaosFault) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	struck := target.Facts.(chaosTarget)
	return createChaos(ctx, env, struck.Resource, f.effect.Spec(struck), false)
}

// createChaos makes a resource and returns when Chaos Mesh says that all is injected; dry only has it looked at.
func createChaos(ctx context.Context, env faults.Env, resource chaosmesh.Resource, spec chaosmesh.Spec, dry bool) (faults.Effect, error) {
	effect := faults.Effect{Began: env.Now()}
	resource, err := env.Chaos.Create(ctx, resource, env.Run, spec, dry)
	if err != nil || dry {
		return effect, err
	}
	effect.Observations = append(effect.Observations,
		cluster.Observation{What: "the API server accepted " + resource.String(), How: "its answer, with Chaos Mesh's webhooks", At: env.Now()})
	state, err := env.Chaos.AwaitInjected(ctx, resource)
	effect.Claims = &state
	if err != nil {
		return effect, err
	}
	effect.Observations = append(effect.Observations, cluster.Observation{What: "Chaos Mesh says AllInjected", How: chaosView, At: env.Now()})
	return effect, nil
}

// ProveLanded implements Fault.
func (f chaosFault) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	struck := target.Facts.(chaosTarget)
	seen, err := untilSeen(ctx, env, struck, f.effect.Holds)
	if err != nil {
		if effect.Claims != nil && effect.Claims.Injected {
			//lint:ignore ST1005 Chaos Mesh is a name
			err = fmt.Errorf("Chaos Mesh says AllInjected, but %w", err)
		}
		return faults.Proof{}, err
	}
	proof := chaosProof(struck, effect, struck.Pod, seen)
	if effect.Claims != nil && effect.Claims.Injected {
		proof.Detail = map[string]string{ClaimedInjected: "before the effect was seen"}
	}
	return proof, nil
}

// chaosProof is what was seen of the effect of the target's resource, or of its end.
func chaosProof(target chaosTarget, effect faults.Effect, before any, seen ...cluster.Observation) faults.Proof {
	return faults.Proof{
		Evidence: cluster.Evidence{Action: cluster.Action(target.Resource.Kind), Node: target.Node, Begun: effect.Began,
			Observations: append(effect.Observations, seen...)},
		Before: before, Claims: effect.Claims,
	}
}

// Holding says what is seen instead of the effect; nil if it is seen, if nothing can be seen, or if the pods that bore it are no
// more. What hits once does not hold.
func (f chaosFault) Holding(ctx context.Context, env faults.Env, target faults.Target) error {
	if f.effect.OneShot() {
		return nil
	}
	_, err := untilSeen(ctx, env, target.Facts.(chaosTarget),
		func(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
			gone, state, err := anyGone(ctx, env, target)
			if err != nil || gone != nil {
				return cluster.Observation{}, err
			}
			if err := f.startedAnew(target, state); err != nil {
				return cluster.Observation{}, err
			}
			return f.effect.Holds(ctx, env, target)
		})
	return err
}

// startedAnew says that the container that was hit is gone while its pod is: after a boot of the node, for one. What took its
// place has nothing of the effect, unless the effect is that very change.
func (f chaosFault) startedAnew(target chaosTarget, now look.PodState) error {
	if f.effect.Kind() == v1alpha1.KindPodChaos || len(target.Pod.Running) == 0 {
		return nil
	}
	if len(now.Running) == 0 || slices.Contains(now.Running, target.Pod.Running[0]) {
		return nil
	}
	return faults.SeenInstead("container %s of pod %s, which was hit, does not run any more, but %v", target.Pod.Running[0],
		target.Object.Name, now.Running)
}

// Loud implements Lasting.
func (f chaosFault) Loud() bool {
	_, loud := f.effect.(loudEffect)
	return loud
}

// Preflight implements Careful.
func (f chaosFault) Preflight(ctx context.Context, env faults.Env) error {
	careful, ok := f.effect.(carefulEffect)
	if !ok {
		return nil
	}
	return careful.Preflight(ctx, env)
}

// ProveRecovered implements Fault.
func (f chaosFault) ProveRecovered(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	struck := target.Facts.(chaosTarget)
	if err := chaosGone(ctx, env, struck.Resource); err != nil {
		return faults.Proof{}, err
	}
	seen, err := untilSeen(ctx, env, struck, f.over)
	if err != nil {
		return faults.Proof{}, err
	}
	return chaosProof(struck, effect, struck.Pod, seen), nil
}

// over reports whether nothing of the effect is left, as nothing is where a pod is gone.
func (f chaosFault) over(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	gone, _, err := anyGone(ctx, env, target)
	if err != nil {
		return cluster.Observation{}, err
	}
	if gone != nil {
		return *gone, nil
	}
	return f.effect.Over(ctx, env, target)
}

// chaosGone returns an error unless the resource is gone.
func chaosGone(ctx context.Context, env faults.Env, resource chaosmesh.Resource) error {
	_, err := env.Chaos.State(ctx, resource)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err == nil:
		return fmt.Errorf("%s is still there", resource)
	default:
		return err
	}
}

// untilSeen looks until something is seen. Its error says what was seen instead in the last look that was not cut off by the end of
// the time.
func untilSeen(ctx context.Context, env faults.Env, target chaosTarget,
	look func(context.Context, faults.Env, chaosTarget) (cluster.Observation, error)) (cluster.Observation, error) {
	var seen cluster.Observation
	var instead error
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		observation, err := look(ctx, env, target)
		if err != nil && ctx.Err() != nil && instead != nil {
			return await.NotYet(instead)
		}
		seen, instead = observation, err
		return await.Succeeded(err)
	})
	return seen, err
}

// chaosTarget is a pod that a resource of Chaos Mesh hits, as it was before, or a node.
type chaosTarget struct {
	Object   history.Object
	Node     string
	Pod      look.PodState
	Images   map[string]string // of the pod's containers, by their names
	Resource chaosmesh.Resource
	OneShot  bool
	Peer     *Peer // nil unless the network between two pods is hit
	// RoundTrip is how long the peer took to answer before.
	RoundTrip time.Duration
	// Ahead is by how much the clock of the pod's JVM was ahead of the harness's before.
	Ahead time.Duration
}

// resolved returns the target of a fault that a resource of Chaos Mesh brings about, with what the fault's later steps need.
func (t chaosTarget) resolved(facts any) (faults.Target, error) {
	undo, err := faults.NewUndo(faults.UndoChaosMesh, undo{Resource: t.Resource, OneShot: t.OneShot})
	return faults.Target{Object: t.Object, Node: t.Node, Undo: undo, Facts: facts}, err
}

// Peer is the pod at the other end of a disturbed network.
type Peer struct {
	Name    string `json:"name"`
	UID     string `json:"uid"`
	Address string `json:"address"`
	Node    string `json:"node"`
}

// durationOf is a duration as Chaos Mesh reads it.
func durationOf(d time.Duration) *string {
	words := d.String()
	return &words
}

// anyGone observes that a pod of the target is gone, at either end; nil if all are there. The state is that of the pod that was
// hit.
func anyGone(ctx context.Context, env faults.Env, target chaosTarget) (*cluster.Observation, look.PodState, error) {
	gone, state, err := podGone(ctx, env, target.Object, target.Node)
	if err != nil || gone != nil || target.Peer == nil {
		return gone, state, err
	}
	peer := target.Object
	peer.Name, peer.UID = target.Peer.Name, target.Peer.UID
	gone, _, err = podGone(ctx, env, peer, target.Peer.Node)
	return gone, state, err
}

// podGone observes that a pod is gone; nil if it is there.
func podGone(ctx context.Context, env faults.Env, pod history.Object, node string) (*cluster.Observation, look.PodState, error) {
	state, err := look.PodNow(ctx, env, pod, node)
	if err != nil {
		return nil, state, err
	}
	if state.Gone || state.HasEnded() {
		return &cluster.Observation{What: "nothing is left to be disturbed: " + state.Words(), How: look.PodsView, At: env.Now()}, state, nil
	}
	return nil, state, nil
}

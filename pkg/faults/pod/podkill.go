package pod

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// podDelete is the action in the evidence of a killed pod. It is done to the API, not to a machine.
const podDelete cluster.Action = "pod-delete"

// Silence of the witness that counts as the end of a JVM, ten heartbeats, and how long it is waited for: the kubelet
// learns of a force-deleted pod within a second and gives its containers 2 s at most.
const (
	silence        = time.Second
	silenceAwaited = 5 * time.Second
)

// ProcessesEnded is the key in an event's Detail under which podKill says what is known of the pod's processes.
const ProcessesEnded = "processesEnded"

// PodKillArgs are the arguments of podKill.
type PodKillArgs struct {
	// Pod is the pod that is deleted.
	Pod scenario.PodSelector `json:"pod"`
	// Grace is the grace period, whole seconds from 1s; absent: the pod's own.
	Grace *scenario.Duration `json:"grace,omitempty" min:"1s"`
	// Force deletes with grace 0: the object is gone at once, whether its processes ended or not.
	Force bool `json:"force,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *PodKillArgs) Choose(executors int, pick func(n int) int) { a.Pod.Choose(executors, pick) }

func podKillKind() faults.Kind {
	return faults.Definition[PodKillArgs]{
		Name:        "podKill",
		Doc:         "A pod is deleted, with its grace period or by force; nothing has to be undone.",
		Example:     PodKillArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}},
		Effects:     faults.Always[PodKillArgs](history.EndsPods),
		Instant:     true,
		Check:       checkPodKill,
		Build:       func(a PodKillArgs) faults.Fault { return podKill{podEnd{podDelete}, a} },
		ByChaosMesh: killByChaosMesh,
	}.Kind()
}

func checkPodKill(a PodKillArgs) []string {
	problems := a.Pod.Problems("pod")
	if a.Grace == nil {
		return problems
	}
	grace := time.Duration(*a.Grace)
	if a.Force {
		problems = append(problems, "force and grace exclude each other: force is grace 0")
	}
	if grace < time.Second || grace%time.Second != 0 {
		problems = append(problems, fmt.Sprintf("grace is %s: expected whole seconds, 1s or more; for none use force: true", grace))
	}
	return problems
}

// podKill deletes a pod. What it proves differs: a graceful end shows in the container statuses that the kubelet
// reports before the object goes. A forced one removes the object at once, and that is all that the API can prove; the
// witness's silence may say more, and the history says so when nothing does.
type podKill struct {
	podEnd
	args PodKillArgs
}

// podEnd is what faults that end a pod share: they need the API alone, and the end shows alike. Its action is for the evidence.
type podEnd struct{ action cluster.Action }

// Needs implements Fault.
func (f podEnd) Needs() []cluster.Action { return nil }

// Patience is the grace period that the pod has by itself.
func (f podEnd) Patience(target faults.Target) time.Duration {
	state, ok := target.Facts.(look.PodState)
	if !ok {
		return silenceAwaited
	}
	return state.Grace
}

// Describe implements Fault.
func (f podKill) Describe() string {
	switch {
	case f.args.Force:
		return fmt.Sprintf("delete %s by force (grace 0)", f.args.Pod)
	case f.args.Grace != nil:
		return fmt.Sprintf("delete %s with a grace period of %s", f.args.Pod, time.Duration(*f.args.Grace))
	default:
		return fmt.Sprintf("delete %s with its own grace period", f.args.Pod)
	}
}

// Patience is the grace period that the pod may use up before it is seen to have ended.
func (f podKill) Patience(target faults.Target) time.Duration {
	if f.args.Grace != nil {
		return time.Duration(*f.args.Grace)
	}
	if f.args.Force {
		return silenceAwaited
	}
	return f.podEnd.Patience(target)
}

// Resolve implements Fault.
func (f podKill) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	return resolvePodEnd(ctx, env, f.args.Pod)
}

// resolvePodEnd finds the pod that is to end.
func resolvePodEnd(ctx context.Context, env faults.Env, selector scenario.PodSelector) (faults.Target, error) {
	pod, object, err := look.RunningPod(ctx, env, selector)
	if err != nil {
		return faults.Target{}, err
	}
	state := look.StateOf(object)
	return faults.Target{Object: history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: state.UID}, Node: state.Node,
		Facts: state}, nil
}

// Inject implements Fault.
func (f podKill) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	uid := types.UID(target.Object.UID)
	options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, GracePeriodSeconds: f.graceSeconds()}
	effect := faults.Effect{Began: env.Now()}
	err := env.Client.CoreV1().Pods(target.Object.Namespace).Delete(ctx, target.Object.Name, options)
	if err != nil {
		return effect, fmt.Errorf("delete pod %s/%s with UID %s: %w", target.Object.Namespace, target.Object.Name, uid, err)
	}
	effect.Observations = []cluster.Observation{{What: "the API server accepted the deletion", How: "its answer, with the UID as precondition",
		At: env.Now()}}
	return effect, nil
}

func (f podKill) graceSeconds() *int64 {
	if f.args.Grace == nil && !f.args.Force {
		return nil
	}
	var seconds int64
	if f.args.Grace != nil {
		seconds = int64(time.Duration(*f.args.Grace) / time.Second)
	}
	return &seconds
}

// ProveLanded implements Fault.
func (f podEnd) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	last, observations, err := watchPodEnd(ctx, env, target)
	if err != nil {
		return faults.Proof{}, err
	}
	proof := faults.Proof{
		Evidence: cluster.Evidence{Action: f.action, Node: target.Node, Begun: effect.Began,
			Observations: append(effect.Observations, observations...)},
		Before: target.Facts, After: last,
	}
	if len(last.Ended) > 0 && len(last.Running) == 0 {
		proof.Detail = map[string]string{ProcessesEnded: "the kubelet reported all containers as terminated"}
		return proof, nil
	}
	words, heard := awaitSilence(ctx, env, target.Object.UID)
	if heard != nil {
		proof.Observations = append(proof.Observations, *heard)
	}
	proof.Detail = map[string]string{ProcessesEnded: words}
	return proof, nil
}

// ProveRecovered implements Fault: the end is over, so the pod is not half-way between life and death. Nothing has to be undone: a pod
// that was killed is replaced by its owner, and that is what the run is about.
func (f podEnd) ProveRecovered(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	var last look.PodState
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		state, err := look.PodNow(ctx, env, target.Object, target.Node)
		if err != nil {
			return await.NotYet(err)
		}
		last = state
		if !state.Gone && !state.HasEnded() && state.Deletion != nil {
			return await.NotYet(fmt.Errorf("pod %s/%s is still ending on node %s, its containers %v run", target.Object.Namespace,
				target.Object.Name, state.Node, state.Running))
		}
		return await.Done()
	})
	if err != nil {
		return faults.Proof{}, err
	}
	what := "nothing of the deletion is under way: the pod was not touched"
	if last.Gone || last.HasEnded() {
		what = "the deletion is over: " + last.Words()
	}
	return faults.Proof{
		Evidence: cluster.Evidence{Action: f.action, Node: target.Node, Begun: effect.Began,
			Observations: []cluster.Observation{{What: what, How: look.PodsView, At: env.Now()}}},
		Before: target.Facts, After: last,
	}, nil
}

// watchPodEnd looks at the pod until its object is gone or all its containers have terminated, and returns the last
// state that was seen of it. The deletion timestamp alone proves nothing: it is our own request that sets it.
func watchPodEnd(ctx context.Context, env faults.Env, target faults.Target) (look.PodState, []cluster.Observation, error) {
	last := target.Facts.(look.PodState)
	var observations []cluster.Observation
	observe := func(what string) {
		observations = append(observations, cluster.Observation{What: what, How: look.PodsView, At: env.Now()})
	}
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		state, err := look.PodNow(ctx, env, target.Object, target.Node)
		if err != nil {
			return await.NotYet(err)
		}
		if state.Gone {
			last.Gone = true
			observe(last.Words())
			return await.Done()
		}
		if state.Deletion != nil && last.Deletion == nil {
			observe("the pod has a deletion timestamp")
		}
		last = state
		if state.HasEnded() {
			observe(state.Words())
			return await.Done()
		}
		return await.NotYet(fmt.Errorf("pod %s/%s (UID %s) is still there: phase %s, deletion timestamp %v, running containers %v",
			target.Object.Namespace, target.Object.Name, state.UID, state.Phase, state.Deletion, state.Running))
	})
	return last, observations, err
}

// awaitSilence says in words what the witness knows of the processes of a pod whose object is gone.
func awaitSilence(ctx context.Context, env faults.Env, uid string) (string, *cluster.Observation) {
	if env.Heartbeats == nil {
		return "not proven: the object's removal does not prove it, and no witness was asked", nil
	}
	if _, ever := env.Heartbeats.Last(uid); !ever {
		return "not proven: the object's removal does not prove it, and the witness never heard of the pod", nil
	}
	ctx, cancel := context.WithTimeout(ctx, silenceAwaited)
	defer cancel()
	var quiet time.Duration
	err := await.Until(ctx, env.PollEvery, func(context.Context) await.Result {
		last, _ := env.Heartbeats.Last(uid)
		quiet = env.Now().Sub(last)
		if quiet < silence {
			return await.NotYet(errors.New("heartbeats continue"))
		}
		return await.Done()
	})
	if err != nil {
		return fmt.Sprintf("not proven: the pod's JVM is still heard, last %s before the look", quiet.Round(time.Millisecond)), nil
	}
	what := fmt.Sprintf("no heartbeat of the pod's JVM for %s", quiet.Round(time.Millisecond))
	return "likely: " + what, &cluster.Observation{What: what, How: "the witness", At: env.Now()}
}

// killByChaosMesh is podKill by means of Chaos Mesh. Without a grace period of its own it is the pod's that Kubernetes would
// give, which Chaos Mesh cannot leave open: it then is Kubernetes' default.
func killByChaosMesh(a PodKillArgs) faults.Fault {
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	switch {
	case a.Force:
		grace = 0
	case a.Grace != nil:
		grace = int64(time.Duration(*a.Grace) / time.Second)
	}
	return chaosmesh.Kill(podKill{args: a}.Describe()+", by Chaos Mesh", a.Pod, grace)
}

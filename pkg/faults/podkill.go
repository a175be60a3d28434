package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// podDelete is the action in the evidence of a killed pod. It is done to the API, not to a machine.
const podDelete cluster.Action = "pod-delete"

// podsView is how observations name where a pod's state was read.
const podsView = "the Pod in the API"

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

// PodState is a pod as it was before or after a kill.
type PodState struct {
	UID      string           `json:"uid"`
	Node     string           `json:"node,omitempty"`
	Phase    corev1.PodPhase  `json:"phase,omitempty"`
	Grace    time.Duration    `json:"grace"` // that the pod has by itself
	Deletion *time.Time       `json:"deletion,omitempty"`
	Ended    []EndedContainer `json:"ended,omitempty"`
	Running  []string         `json:"running,omitempty"` // container IDs
	Gone     bool             `json:"gone,omitempty"`    // no object with this UID is left
	// Disruption is the reason that Kubernetes gives for ending the pod, such as EvictionByEvictionAPI.
	Disruption string `json:"disruption,omitempty"`
}

// EndedContainer is a container that has terminated.
type EndedContainer struct {
	Name     string    `json:"name"`
	ExitCode int32     `json:"exitCode"`
	Finished time.Time `json:"finished"`
}

func podKillKind() Kind {
	return definition[PodKillArgs]{
		name:    "podKill",
		doc:     "A pod is deleted, with its grace period or by force; nothing has to be undone.",
		effects: always[PodKillArgs](history.EndsPods),
		instant: true,
		check:   checkPodKill,
		build:   func(a PodKillArgs) Fault { return podKill{podEnd{podDelete}, a} },
		chaos:   killByChaosMesh,
	}.kind()
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
func (f podEnd) Patience(target Target) time.Duration {
	state, ok := target.Facts.(PodState)
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
func (f podKill) Patience(target Target) time.Duration {
	if f.args.Grace != nil {
		return time.Duration(*f.args.Grace)
	}
	if f.args.Force {
		return silenceAwaited
	}
	return f.podEnd.Patience(target)
}

// Resolve implements Fault.
func (f podKill) Resolve(ctx context.Context, env Env) (Target, error) {
	return resolvePodEnd(ctx, env, f.args.Pod)
}

// resolvePodEnd finds the pod that is to end.
func resolvePodEnd(ctx context.Context, env Env, selector scenario.PodSelector) (Target, error) {
	pod, object, err := resolveRunningPod(ctx, env, selector)
	if err != nil {
		return Target{}, err
	}
	state := podState(object)
	return Target{Object: history.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: state.UID}, Node: state.Node, Facts: state}, nil
}

// resolveRunningPod finds the pod that a selector means now, which must run and not be about to end.
func resolveRunningPod(ctx context.Context, env Env, selector scenario.PodSelector) (Pod, *corev1.Pod, error) {
	pod := Pod{Namespace: env.Namespace, Name: selector.Name}
	if selector.Name == "" {
		var err error
		if pod, err = resolvePod(env.Targets, selector); err != nil {
			return pod, nil, err
		}
	}
	object, err := getPod(ctx, env, pod.Namespace, pod.Name)
	if err != nil {
		return pod, nil, err
	}
	if object == nil {
		return pod, nil, fmt.Errorf("pod %s/%s does not exist", pod.Namespace, pod.Name)
	}
	state := podState(object)
	switch {
	case pod.UID != "" && pod.UID != state.UID:
		return pod, nil, fmt.Errorf("pod %s/%s is another one by now: its UID is %s, expected %s", pod.Namespace, pod.Name, state.UID, pod.UID)
	case state.Deletion != nil:
		return pod, nil, fmt.Errorf("pod %s/%s is being deleted already, since %s", pod.Namespace, pod.Name, state.Deletion.Format(time.RFC3339))
	case state.Phase != corev1.PodRunning:
		return pod, nil, fmt.Errorf("pod %s/%s is %s: only a Running one can be killed", pod.Namespace, pod.Name, state.Phase)
	}
	return pod, object, nil
}

// Inject implements Fault.
func (f podKill) Inject(ctx context.Context, env Env, target Target) (Effect, error) {
	uid := types.UID(target.Object.UID)
	options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, GracePeriodSeconds: f.graceSeconds()}
	effect := Effect{Began: env.Now()}
	err := env.Client.CoreV1().Pods(target.Object.Namespace).Delete(ctx, target.Object.Name, options)
	if err != nil {
		return effect, fmt.Errorf("delete pod %s/%s with UID %s: %w", target.Object.Namespace, target.Object.Name, uid, err)
	}
	effect.Observations = []cluster.Observation{{What: "the API server accepted the deletion", How: "its answer, with the UID as precondition", At: env.Now()}}
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
func (f podEnd) ProveLanded(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	last, observations, err := watchPodEnd(ctx, env, target)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{
		Evidence: cluster.Evidence{Action: f.action, Node: target.Node, Begun: effect.Began, Observations: append(effect.Observations, observations...)},
		Before:   target.Facts, After: last,
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
// that was killed is replaced by whoever owns it, and that is what the run is about.
func (f podEnd) ProveRecovered(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	var last PodState
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		state, err := podStateNow(ctx, env, target.Object, target.Node)
		if err != nil {
			return await.NotYet(err)
		}
		last = state
		if !state.Gone && !state.ended() && state.Deletion != nil {
			return await.NotYet(fmt.Errorf("pod %s/%s is still ending on node %s, its containers %v run", target.Object.Namespace, target.Object.Name, state.Node, state.Running))
		}
		return await.Done()
	})
	if err != nil {
		return Proof{}, err
	}
	what := "nothing of the deletion is under way: the pod was not touched"
	if last.Gone || last.ended() {
		what = "the deletion is over: " + last.words()
	}
	return Proof{
		Evidence: cluster.Evidence{Action: f.action, Node: target.Node, Begun: effect.Began, Observations: []cluster.Observation{{What: what, How: podsView, At: env.Now()}}},
		Before:   target.Facts, After: last,
	}, nil
}

// watchPodEnd looks at the pod until its object is gone or all its containers have terminated, and returns the last
// state that was seen of it. The deletion timestamp alone proves nothing: it is our own request that sets it.
func watchPodEnd(ctx context.Context, env Env, target Target) (PodState, []cluster.Observation, error) {
	last := target.Facts.(PodState)
	var observations []cluster.Observation
	observe := func(what string) {
		observations = append(observations, cluster.Observation{What: what, How: podsView, At: env.Now()})
	}
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		state, err := podStateNow(ctx, env, target.Object, target.Node)
		if err != nil {
			return await.NotYet(err)
		}
		if state.Gone {
			last.Gone = true
			observe(last.words())
			return await.Done()
		}
		if state.Deletion != nil && last.Deletion == nil {
			observe("the pod has a deletion timestamp")
		}
		last = state
		if state.ended() {
			observe(state.words())
			return await.Done()
		}
		return await.NotYet(fmt.Errorf("pod %s/%s (UID %s) is still there: phase %s, deletion timestamp %v, running containers %v",
			target.Object.Namespace, target.Object.Name, state.UID, state.Phase, state.Deletion, state.Running))
	})
	return last, observations, err
}

// awaitSilence says in words what the witness knows of the processes of a pod whose object is gone.
func awaitSilence(ctx context.Context, env Env, uid string) (string, *cluster.Observation) {
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
			return await.NotYet(errors.New("heartbeats go on"))
		}
		return await.Done()
	})
	if err != nil {
		return fmt.Sprintf("not proven: the pod's JVM is still heard, last %s before the look", quiet.Round(time.Millisecond)), nil
	}
	what := fmt.Sprintf("no heartbeat of the pod's JVM for %s", quiet.Round(time.Millisecond))
	return "likely: " + what, &cluster.Observation{What: what, How: "the witness", At: env.Now()}
}

// podStateNow reads the pod; a pod of the same name with another UID is not it.
func podStateNow(ctx context.Context, env Env, object history.Object, node string) (PodState, error) {
	pod, err := getPod(ctx, env, object.Namespace, object.Name)
	if err != nil {
		return PodState{}, err
	}
	if pod == nil || string(pod.UID) != object.UID {
		return PodState{UID: object.UID, Node: node, Gone: true}, nil
	}
	return podState(pod), nil
}

// getPod returns nil if there is no such pod.
func getPod(ctx context.Context, env Env, namespace, name string) (*corev1.Pod, error) {
	pod, err := env.Client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at pod %s/%s: %w", namespace, name, err)
	}
	return pod, nil
}

func podState(pod *corev1.Pod) PodState {
	state := PodState{UID: string(pod.UID), Node: pod.Spec.NodeName, Phase: pod.Status.Phase, Grace: corev1.DefaultTerminationGracePeriodSeconds * time.Second, Disruption: disruption(pod)}
	if seconds := pod.Spec.TerminationGracePeriodSeconds; seconds != nil {
		state.Grace = time.Duration(*seconds) * time.Second
	}
	if pod.DeletionTimestamp != nil {
		state.Deletion = &pod.DeletionTimestamp.Time
	}
	for _, container := range pod.Status.ContainerStatuses {
		switch {
		case container.State.Terminated != nil:
			ended := container.State.Terminated
			state.Ended = append(state.Ended, EndedContainer{Name: container.Name, ExitCode: ended.ExitCode, Finished: ended.FinishedAt.Time})
		case container.State.Running != nil:
			state.Running = append(state.Running, container.ContainerID)
		}
	}
	return state
}

// ended says whether the kubelet reported the end of all containers.
func (s PodState) ended() bool { return len(s.Ended) > 0 && len(s.Running) == 0 }

func (s PodState) words() string {
	words := ""
	if s.Gone {
		words = fmt.Sprintf("no pod with UID %s is left", s.UID)
	}
	for _, container := range s.Ended {
		if words != "" {
			words += "; "
		}
		words += fmt.Sprintf("container %s ended with exit code %d", container.Name, container.ExitCode)
	}
	return words
}

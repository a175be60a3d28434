package look

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// PodsView is how observations name where a pod's state was read.
const PodsView = "the Pod in the API"

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

// RunningPod finds the pod that a selector means now, which must run and not be about to end.
func RunningPod(ctx context.Context, env faults.Env, selector scenario.PodSelector) (faults.Pod, *corev1.Pod, error) {
	pod := faults.Pod{Namespace: env.Namespace, Name: selector.Name}
	if selector.Name == "" {
		var err error
		if pod, err = podOf(env.Targets, selector); err != nil {
			return pod, nil, err
		}
	}
	object, err := Pod(ctx, env, pod.Namespace, pod.Name)
	if err != nil {
		return pod, nil, err
	}
	if object == nil {
		return pod, nil, fmt.Errorf("pod %s/%s does not exist", pod.Namespace, pod.Name)
	}
	state := StateOf(object)
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

// PodNow reads the pod; a pod of the same name with another UID is not it.
func PodNow(ctx context.Context, env faults.Env, object history.Object, node string) (PodState, error) {
	pod, err := Pod(ctx, env, object.Namespace, object.Name)
	if err != nil {
		return PodState{}, err
	}
	if pod == nil || string(pod.UID) != object.UID {
		return PodState{UID: object.UID, Node: node, Gone: true}, nil
	}
	return StateOf(pod), nil
}

// Pod reads a pod. It returns nil if there is no such pod.
func Pod(ctx context.Context, env faults.Env, namespace, name string) (*corev1.Pod, error) {
	pod, err := env.Client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at pod %s/%s: %w", namespace, name, err)
	}
	return pod, nil
}

// StateOf returns the state that a pod's object shows.
func StateOf(pod *corev1.Pod) PodState {
	state := PodState{UID: string(pod.UID), Node: pod.Spec.NodeName, Phase: pod.Status.Phase,
		Grace: corev1.DefaultTerminationGracePeriodSeconds * time.Second, Disruption: Disruption(pod)}
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

// HasEnded reports whether the kubelet reported the end of all containers.
func (s PodState) HasEnded() bool { return len(s.Ended) > 0 && len(s.Running) == 0 }

// Words describes what is known of the end of the pod; empty if it has not begun to end.
func (s PodState) Words() string {
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

// Disruption is the reason that Kubernetes gives for ending a pod, empty if it gave none.
func Disruption(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.DisruptionTarget && condition.Status == corev1.ConditionTrue {
			return condition.Reason
		}
	}
	return ""
}

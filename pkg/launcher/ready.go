package launcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// ComponentTimeout is how long a component may take until it is ready: to pull an image, to start a JVM.
	ComponentTimeout = 3 * time.Minute
	componentPoll    = 200 * time.Millisecond
)

// ErrNeverReady reports that a component can never become ready.
var ErrNeverReady = errors.New("it will not be ready by itself")

// AwaitReady returns when a part of the named component is ready, and tells seen what it lacks until then. It fails after
// [ComponentTimeout], and at once if the part says ErrNeverReady.
func AwaitReady(ctx context.Context, client kubernetes.Interface, name string, part Waiter, seen func(string)) error {
	last := "nothing was seen of it"
	err := wait.PollUntilContextTimeout(ctx, componentPoll, ComponentTimeout, true, func(ctx context.Context) (bool, error) {
		lacks, err := part.Lacks(ctx, client)
		switch {
		case errors.Is(err, ErrNeverReady):
			return false, err
		case err != nil:
			lacks = err.Error()
		case lacks == "":
			return true, nil
		}
		last = lacks
		seen(lacks)
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("%s is not ready: %s: %w", name, last, err)
	}
	return nil
}

// DeploymentLacks describes which pods of a Deployment are not ready; empty if all are.
func DeploymentLacks(ctx context.Context, client kubernetes.Interface, server *appsv1.Deployment) (string, error) {
	now, err := client.AppsV1().Deployments(server.Namespace).Get(ctx, server.Name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("look at Deployment %s: %w", FullName(server), err)
	}
	if replicas := *server.Spec.Replicas; now.Status.ReadyReplicas < replicas {
		return fmt.Sprintf("%d of %d pods are ready", now.Status.ReadyReplicas, replicas), nil
	}
	return "", nil
}

// PodLacks describes why a pod is not ready; empty if it is.
func PodLacks(pod corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		switch {
		case condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue:
			return ""
		case condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse:
			return fmt.Sprintf("pod %s is not scheduled: %s", pod.Name, condition.Message)
		}
	}
	state := fmt.Sprintf("pod %s is %s", PodState(pod), pod.Status.Phase)
	for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if waiting := container.State.Waiting; waiting != nil {
			state += fmt.Sprintf(", %s %s", waiting.Reason, waiting.Message)
		}
		if ended := container.LastTerminationState.Terminated; ended != nil {
			state += fmt.Sprintf(", it ended %d times, last with exit code %d", container.RestartCount, ended.ExitCode)
		}
	}
	return state
}

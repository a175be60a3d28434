package launcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// ShuffleTimeout is how long the service may take until it is ready on each node: an image to pull, a JVM to start.
	ShuffleTimeout = 3 * time.Minute
	// portPatience is how long another run's service may still be ending on a node: longer than its grace period.
	portPatience = 20 * time.Second
	readyPoll    = 200 * time.Millisecond
)

var errPortTaken = errors.New("the port is taken")

// AwaitShuffleService returns when the service accepts connections on each node that it is meant for: an executor that
// does not find its node's service ends after three attempts. It tells seen what the service lacks. It fails when the
// service's port stays taken, and after [ShuffleTimeout].
func AwaitShuffleService(ctx context.Context, client kubernetes.Interface, service *appsv1.DaemonSet, seen func(string)) error {
	last := "nothing was seen of it"
	var taken time.Time // since when the port is
	err := wait.PollUntilContextTimeout(ctx, readyPoll, ShuffleTimeout, true, func(ctx context.Context) (bool, error) {
		lacks, portTaken, err := shuffleLacks(ctx, client, service)
		if err != nil {
			lacks = err.Error() // an API server that is away for a moment is asked again
		}
		if lacks == "" {
			return true, nil
		}
		last = lacks
		seen(last)
		switch {
		case !portTaken:
			taken = time.Time{}
		case taken.IsZero():
			taken = time.Now()
		case time.Since(taken) > portPatience:
			return false, errPortTaken
		}
		return false, nil
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errPortTaken):
		return fmt.Errorf("the shuffle service needs port %d of each node's own network, and another one holds it: wait for the end of the run whose it is, or take another cluster (--cluster-name); %s: %w",
			service.Spec.Template.Spec.Containers[0].Ports[0].HostPort, last, err)
	default:
		return fmt.Errorf("the shuffle service is not ready on each node: %s: %w", last, err)
	}
}

// shuffleLacks says in words what keeps the service from being ready, empty if nothing does, and whether that is its port.
func shuffleLacks(ctx context.Context, client kubernetes.Interface, service *appsv1.DaemonSet) (lacks string, portTaken bool, err error) {
	now, err := client.AppsV1().DaemonSets(service.Namespace).Get(ctx, service.Name, metav1.GetOptions{})
	if err != nil {
		return "", false, fmt.Errorf("look at DaemonSet %s: %w", fullName(service), err)
	}
	status := now.Status
	if status.ObservedGeneration >= now.Generation && status.DesiredNumberScheduled > 0 && status.NumberReady >= status.DesiredNumberScheduled {
		return "", false, nil
	}
	selector := metav1.FormatLabelSelector(service.Spec.Selector)
	pods, err := client.CoreV1().Pods(service.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return "", false, fmt.Errorf("list the pods of DaemonSet %s: %w", fullName(service), err)
	}
	var states []string
	for _, pod := range pods.Items {
		if state := unready(pod); state != "" {
			states = append(states, state)
			portTaken = portTaken || strings.Contains(state, "free ports")
		}
	}
	slices.Sort(states)
	lacks = fmt.Sprintf("it is ready on %d of %d nodes", status.NumberReady, status.DesiredNumberScheduled)
	if len(states) > 0 {
		lacks += ": " + strings.Join(states, "; ")
	}
	return lacks, portTaken, nil
}

// unready says what keeps a pod from being ready; empty if nothing does.
func unready(pod corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		switch {
		case condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue:
			return ""
		case condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse:
			return fmt.Sprintf("pod %s is not scheduled: %s", pod.Name, condition.Message)
		}
	}
	state := fmt.Sprintf("pod %s is %s", podState(pod), pod.Status.Phase)
	for _, container := range pod.Status.ContainerStatuses {
		if waiting := container.State.Waiting; waiting != nil {
			state += fmt.Sprintf(", %s %s", waiting.Reason, waiting.Message)
		}
		if ended := container.LastTerminationState.Terminated; ended != nil {
			state += fmt.Sprintf(", it ended %d times, last with exit code %d", container.RestartCount, ended.ExitCode)
		}
	}
	return state
}

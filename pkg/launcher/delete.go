package launcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// deletePoll is how often Delete looks whether the namespace is gone.
	deletePoll = 200 * time.Millisecond
	// remainsTimeout bounds the look at what is left once Delete has given up.
	remainsTimeout = 5 * time.Second
)

// Delete deletes a run's namespace with everything in it and returns when it is gone; a missing one is no
// error. It refuses a namespace that is not the run's. When ctx ends first, the error lists what is still there: pods of
// a node that is off stay until the node is back.
func Delete(ctx context.Context, client kubernetes.Interface, namespace, runID string) error {
	return remove(ctx, client, namespace, runID, func(ctx context.Context, uid types.UID) (bool, error) {
		now, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return err == nil && now.UID != uid, err
	})
}

// Empty is like Delete, but returns as soon as no job, daemon set, pod and volume claim is left. The namespace itself
// takes five seconds more, which does not matter if the cluster is removed next.
func Empty(ctx context.Context, client kubernetes.Interface, namespace, runID string) error {
	return remove(ctx, client, namespace, runID, func(ctx context.Context, _ types.UID) (bool, error) {
		left, err := contents(ctx, client, namespace)
		return err == nil && len(left) == 0, err
	})
}

// remove deletes a namespace and polls until it is gone. It tries again if the API server is away for a moment.
func remove(ctx context.Context, client kubernetes.Interface, namespace, runID string,
	done func(ctx context.Context, uid types.UID) (bool, error)) error {
	api := client.CoreV1().Namespaces()
	found, err := api.Get(ctx, namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for Namespace %s: %w", namespace, err)
	}
	if found.Labels[RunLabel] != runID {
		return fmt.Errorf("delete Namespace %s of run %s: it %s, so it is left alone", namespace, runID, ownership(found, runID))
	}
	err = api.Delete(ctx, namespace, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &found.UID}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete Namespace %s: %w", namespace, err)
	}
	empty(ctx, client, namespace)
	var last error
	err = wait.PollUntilContextCancel(ctx, deletePoll, true, func(ctx context.Context) (enough bool, _ error) {
		enough, last = done(ctx, found.UID)
		return enough, nil
	})
	if err == nil {
		return nil
	}
	if last != nil {
		err = errors.Join(err, last)
	}
	return fmt.Errorf("delete Namespace %s: it is still there; left are %s: %w", namespace, remains(ctx, client, namespace), err)
}

// empty begins to delete what takes time to go. The namespace's own controller begins after five seconds and looks
// again only seconds later for what was not gone at once; a failure here is made up for by it.
func empty(ctx context.Context, client kubernetes.Interface, namespace string) {
	background := metav1.DeletePropagationBackground
	all := metav1.ListOptions{}
	_ = client.BatchV1().Jobs(namespace).DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &background}, all)
	_ = client.AppsV1().DaemonSets(namespace).DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &background}, all)
	_ = client.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, all)
	_ = client.CoreV1().PersistentVolumeClaims(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, all)
}

// remains describes what keeps a namespace from being deleted.
func remains(ctx context.Context, client kubernetes.Interface, namespace string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), remainsTimeout)
	defer cancel()
	left, err := contents(ctx, client, namespace)
	switch {
	case err != nil:
		return fmt.Sprintf("objects that cannot be listed (%v)", err)
	case len(left) == 0:
		return "no jobs, no daemon sets, no pods and no volume claims"
	default:
		return strings.Join(left, ", ")
	}
}

// contents names the objects of a namespace that take time to go.
func contents(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	all := metav1.ListOptions{}
	jobs, err := client.BatchV1().Jobs(namespace).List(ctx, all)
	if err != nil {
		return nil, err
	}
	daemons, err := client.AppsV1().DaemonSets(namespace).List(ctx, all)
	if err != nil {
		return nil, err
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, all)
	if err != nil {
		return nil, err
	}
	claims, err := client.CoreV1().PersistentVolumeClaims(namespace).List(ctx, all)
	if err != nil {
		return nil, err
	}
	var left []string
	for _, job := range jobs.Items {
		left = append(left, "Job "+job.Name)
	}
	for _, daemon := range daemons.Items {
		left = append(left, "DaemonSet "+daemon.Name)
	}
	for _, pod := range pods.Items {
		left = append(left, "Pod "+PodState(pod))
	}
	for _, claim := range claims.Items {
		left = append(left, "PersistentVolumeClaim "+claim.Name)
	}
	return left, nil
}

func PodState(pod corev1.Pod) string {
	node := pod.Spec.NodeName
	if node == "" {
		node = "no node"
	}
	return fmt.Sprintf("%s on %s", pod.Name, node)
}

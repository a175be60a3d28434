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
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// deletePoll is how often Delete looks whether the namespace is gone.
	deletePoll = 200 * time.Millisecond
	// remainsTimeout bounds the look at what is left once Delete has given up.
	remainsTimeout = 5 * time.Second
)

// Delete deletes a run's namespace with everything in it and returns when it is gone; one that is not there is no
// error. It refuses a namespace that is not the run's. When ctx ends first, the error lists what is still there: pods of
// a node that is off stay until the node is back.
func Delete(ctx context.Context, client kubernetes.Interface, namespace, runID string) error {
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
	var last error
	empty(ctx, client, namespace)
	err = wait.PollUntilContextCancel(ctx, deletePoll, true, func(ctx context.Context) (bool, error) {
		now, err := api.Get(ctx, namespace, metav1.GetOptions{})
		// An API server that is away for a moment is asked again.
		last = err
		return apierrors.IsNotFound(err) || err == nil && now.UID != found.UID, nil
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
	_ = client.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, all)
	_ = client.CoreV1().PersistentVolumeClaims(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, all)
}

// remains says in words what keeps a namespace from going.
func remains(ctx context.Context, client kubernetes.Interface, namespace string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), remainsTimeout)
	defer cancel()
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("objects that cannot be listed (%v)", err)
	}
	claims, err := client.CoreV1().PersistentVolumeClaims(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("objects that cannot be listed (%v)", err)
	}
	var left []string
	for _, pod := range pods.Items {
		left = append(left, "Pod "+podState(pod))
	}
	for _, claim := range claims.Items {
		left = append(left, "PersistentVolumeClaim "+claim.Name)
	}
	if len(left) == 0 {
		return "no pods and no volume claims"
	}
	return strings.Join(left, ", ")
}

func podState(pod corev1.Pod) string {
	node := pod.Spec.NodeName
	if node == "" {
		node = "no node"
	}
	return fmt.Sprintf("%s on %s", pod.Name, node)
}

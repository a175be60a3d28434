package launcher

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// StagingNotReady says in words what of a staging server is not ready yet; empty when all of it is.
func StagingNotReady(ctx context.Context, client kubernetes.Interface, s *Staging) (string, error) {
	wanted := s.Deployment
	now, err := client.AppsV1().Deployments(wanted.Namespace).Get(ctx, wanted.Name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("look at Deployment %s/%s: %w", wanted.Namespace, wanted.Name, err)
	}
	if replicas := *wanted.Spec.Replicas; now.Status.ReadyReplicas < replicas {
		return fmt.Sprintf("%d of %d pods of the staging server are ready", now.Status.ReadyReplicas, replicas), nil
	}
	return "", nil
}

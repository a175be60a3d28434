package launcher

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// NotReady says in words what of the components around the driver is not ready yet; empty when all are.
func NotReady(ctx context.Context, client kubernetes.Interface, o *Objects) (string, error) {
	if o.Staging == nil {
		return "", nil
	}
	wanted := o.Staging.Deployment
	now, err := client.AppsV1().Deployments(wanted.Namespace).Get(ctx, wanted.Name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("look at Deployment %s/%s: %w", wanted.Namespace, wanted.Name, err)
	}
	if replicas := *wanted.Spec.Replicas; now.Status.ReadyReplicas < replicas {
		return fmt.Sprintf("%d of %d pods of the staging server are ready", now.Status.ReadyReplicas, replicas), nil
	}
	return "", nil
}

package launcher

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// deploymentComponent is ready when each of its pods is: what is uploaded to one staging server must be served by all.
func deploymentComponent(client kubernetes.Interface, name string, server *appsv1.Deployment) Component {
	return Component{Name: name, lacks: func(ctx context.Context) (string, error) {
		now, err := client.AppsV1().Deployments(server.Namespace).Get(ctx, server.Name, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("look at Deployment %s/%s: %w", server.Namespace, server.Name, err)
		}
		if replicas := *server.Spec.Replicas; now.Status.ReadyReplicas < replicas {
			return fmt.Sprintf("%d of %d pods are ready", now.Status.ReadyReplicas, replicas), nil
		}
		return "", nil
	}}
}

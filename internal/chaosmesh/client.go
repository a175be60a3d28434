package chaosmesh

import (
	"context"
	"fmt"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/internal/chart"
	"github.com/sparkchaos/sparkchaos/internal/podexec"
)

// Client manages Chaos Mesh on a cluster.
type Client struct {
	config  *rest.Config
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	applier chart.Applier
	// recoverWithin and freeWithin limit how long a deleted resource may take to disappear: while Chaos Mesh recovers its targets
	// itself, and after its finalizers were removed.
	recoverWithin, freeWithin time.Duration
	// startWithin limits how long the resource of a cloud's machine may take to disappear: the cloud starts no machine that is still stopping.
	startWithin time.Duration
}

// NewClient returns a client for the cluster behind an API server.
func NewClient(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.WarningHandlerWithContext = rest.NoWarnings{} // they are about the chart's own style
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for Chaos Mesh: %w", err)
	}
	resources, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for Chaos Mesh: %w", err)
	}
	return &Client{
		config: config, kube: kube, dynamic: resources, recoverWithin: 20 * time.Second, freeWithin: 10 * time.Second,
		startWithin: 5 * time.Minute,
		applier:     chart.NewApplier(resources, kube.Discovery(), Namespace, managedBy),
	}, nil
}

// definitionResource is where the definitions of resources are.
func definitionResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// clusterKinds are the cluster-scoped kinds of an installation, in the order in which they are deleted.
func clusterKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
		{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
	}
}

// defined reports whether the resources of Chaos Mesh are defined.
func (c *Client) defined(ctx context.Context) (bool, error) {
	name := resourceOf(v1alpha1.KindPodChaos).Resource + "." + v1alpha1.SchemeGroupVersion.Group
	_, err := c.dynamic.Resource(definitionResource()).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the definitions of Chaos Mesh: %w", err)
	}
	return true, nil
}

// OnNode runs a shell script in the node's chaos-daemon pod, which has full access to the node, and returns its standard output.
// Faults use it to verify an effect from outside the target pod.
func (c *Client) OnNode(ctx context.Context, node, script string) (string, error) {
	pods, err := c.kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: componentLabel + "=" + daemonComponent, FieldSelector: "spec.nodeName=" + node,
	})
	if err != nil {
		return "", fmt.Errorf("daemon of Chaos Mesh on node %s: %w", node, err)
	}
	for _, pod := range pods.Items {
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
			return c.execute(ctx, pod.Name, script)
		}
	}
	return "", fmt.Errorf("node %s has no running chaos-daemon among its %d pods of Chaos Mesh", node, len(pods.Items))
}

func (c *Client) execute(ctx context.Context, pod, script string) (string, error) {
	out, err := podexec.Run(ctx, c.config, c.kube, podexec.Place{Namespace: Namespace, Pod: pod, Container: daemonComponent}, "bash", "-c",
		script)
	return string(out), err
}

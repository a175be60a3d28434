package chaosmesh

import (
	"context"
	"fmt"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/sparkchaos/sparkchaos/internal/podexec"
)

// Client speaks to a cluster of Chaos Mesh.
type Client struct {
	config  *rest.Config
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	// recoverWithin and freeWithin are how long a resource that is deleted may take to go: when Chaos Mesh frees its targets by
	// itself, and after it was helped.
	recoverWithin, freeWithin time.Duration
	// startWithin is how long the resource of a cloud's machine may take to go: the cloud starts no machine that it still stops.
	startWithin time.Duration
}

// NewClient reaches a cluster by its API server.
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
		mapper:      restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kube.Discovery())),
	}, nil
}

// mapping finds where a kind is served; a kind that is new is looked for once more.
func (c *Client) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("kind %s: %w", gvk.Kind, err)
	}
	return mapping, nil
}

// definitionResource is where the definitions of resources are.
func definitionResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// clusterKinds are the kinds of an installation that no namespace takes with it, in the order in which they go.
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

// OnNode runs a shell script in the daemon on a node, which sees the node's processes and may do everything there, and returns
// what it printed. It is how an effect is looked at from beside the pods that are struck.
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
	return "", fmt.Errorf("node %s has no running daemon of Chaos Mesh: it has %d pods of it", node, len(pods.Items))
}

func (c *Client) execute(ctx context.Context, pod, script string) (string, error) {
	out, err := podexec.Run(ctx, c.config, c.kube, podexec.Place{Namespace: Namespace, Pod: pod, Container: daemonComponent}, "bash", "-c",
		script)
	return string(out), err
}

// Package sparkoperator installs kubeflow's spark-operator, which makes the drivers of workloads with launcher: sparkApplication.
package sparkoperator

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/internal/chart"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

const (
	// Namespace is the namespace of an installation.
	Namespace = "spark-operator"
	// Name is how people call it.
	Name = "kubeflow's spark-operator"
	// API is the group and version of its resources.
	API = "sparkoperator.k8s.io/v1beta2"
	// InstallTimeout limits how long its pod may take to start.
	InstallTimeout = 3 * time.Minute

	// managedBy marks what is installed. It differs from the mark of Chaos Mesh, whose removal takes along all that has it.
	managedBy = "sparkchaos-spark-operator"
	// versionLabel is where the chart says which version of the operator it installs.
	versionLabel = "app.kubernetes.io/version"
	// tolerationSeconds is how long the operator's pod stays bound to a node that is silent.
	tolerationSeconds = int64(2)
)

// Parts are the parts of an installation.
type Parts struct {
	// Chart is the directory of its Helm chart, with the CustomResourceDefinitions.
	Chart string
	// Image is the reference of the image with the operator and with Spark, which the nodes have.
	Image string
}

// render returns the objects of an installation without webhook: what shapes pods stands in the templates of a SparkApplication.
func (p Parts) render(server *version.Info) ([]*unstructured.Unstructured, error) {
	return chart.Chart{Of: Name, Directory: p.Chart, Namespace: Namespace, Values: p.values()}.Render(server)
}

// values returns the values of the chart: one controller, for all namespaces.
func (p Parts) values() map[string]any {
	image := chart.ImageValues(p.Image)
	image["pullPolicy"] = string(corev1.PullNever)
	return map[string]any{
		"image": image,
		"controller": map[string]any{
			"leaderElection": map[string]any{"enable": false},
			// It has to run while other pods lack CPU, and elsewhere soon when its node is lost.
			"priorityClassName": "system-cluster-critical",
			"tolerations":       []any{leaves(corev1.TaintNodeNotReady), leaves(corev1.TaintNodeUnreachable)},
			"env": []any{
				map[string]any{"name": "SPARK_LOCAL_IP", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "status.podIP"}}},
			},
		},
		"webhook": map[string]any{"enable": false},
		"spark": map[string]any{
			"jobNamespaces":  []any{""}, // all
			"serviceAccount": map[string]any{"create": false},
			"rbac":           map[string]any{"create": false},
		},
		"prometheus": map[string]any{"metrics": map[string]any{"enable": false}},
	}
}

// leaves is the toleration of a pod that leaves a node with the taint.
func leaves(taint string) map[string]any {
	return map[string]any{
		"key": taint, "operator": string(corev1.TolerationOpExists), "effect": string(corev1.TaintEffectNoExecute),
		"tolerationSeconds": tolerationSeconds,
	}
}

// definitions returns the CustomResourceDefinitions of the chart without descriptions, which the API server would keep in memory.
func (p Parts) definitions() ([]*unstructured.Unstructured, error) {
	objects, err := chart.Definitions(filepath.Join(p.Chart, "crds"),
		"build the component again (`sparkchaos components build spark-operator`)")
	for _, object := range objects {
		dropDescriptions(object.Object["spec"])
	}
	return objects, err
}

// dropDescriptions removes the texts that explain a schema. A field that is called description has a schema, which is no text.
func dropDescriptions(node any) {
	switch node := node.(type) {
	case map[string]any:
		if _, ok := node["description"].(string); ok {
			delete(node, "description")
		}
		for _, child := range node {
			dropDescriptions(child)
		}
	case []any:
		for _, child := range node {
			dropDescriptions(child)
		}
	}
}

// Client manages the operator on a cluster.
type Client struct {
	kube    kubernetes.Interface
	applier chart.Applier
}

// NewClient returns a client for the cluster behind an API server.
func NewClient(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.WarningHandlerWithContext = rest.NoWarnings{} // they are about the chart's own style
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", Name, err)
	}
	resources, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", Name, err)
	}
	return &Client{kube: kube, applier: chart.NewApplier(resources, kube.Discovery(), Namespace, managedBy)}, nil
}

// Status is the state of the operator on a cluster.
type Status struct {
	Served bool // the cluster serves its API
	Ours   bool // sparkchaos installed it
	// Version is that of the operator that sparkchaos installed; empty if it is not known.
	Version string
	Ready   bool   // the controller that sparkchaos installed is
	Trouble string // why it is not ready
}

// Foreign reports whether somebody else installed it: it is used as it is.
func (s Status) Foreign() bool { return s.Served && !s.Ours }

// Works reports whether the operator that sparkchaos installed can make drivers.
func (s Status) Works() bool { return s.Served && s.Ours && s.Ready }

// String describes the status in words.
func (s Status) String() string {
	switch {
	case s.Foreign():
		return Name + " was installed by somebody else"
	case !s.Ours:
		return Name + " is not installed"
	case !s.Served:
		return fmt.Sprintf("%s is installed, but the cluster does not serve %s", Name, API)
	case !s.Ready:
		return fmt.Sprintf("%s is installed, but not ready: %s", Name, s.Trouble)
	default:
		return Name + " is ready"
	}
}

// Status inspects the operator on the cluster. It changes nothing.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	switch _, err := c.kube.Discovery().ServerResourcesForGroupVersion(API); {
	case err == nil:
		status.Served = true
	case !apierrors.IsNotFound(err):
		return status, fmt.Errorf("ask the cluster for its API %s: %w", API, err)
	}
	namespace, err := c.kube.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return status, nil
	}
	if err != nil {
		return status, fmt.Errorf("look for namespace %s: %w", Namespace, err)
	}
	if status.Ours = namespace.Labels[chart.ManagedByLabel] == managedBy; !status.Ours {
		return status, nil
	}
	return status, c.look(ctx, &status)
}

// look adds to a status whether the controller is ready as its Deployment is now, and why it is not.
func (c *Client) look(ctx context.Context, status *Status) error {
	deployments, err := c.kube.AppsV1().Deployments(Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("look for the deployments of %s: %w", Name, err)
	}
	if len(deployments.Items) == 0 {
		status.Trouble = "there is no deployment in namespace " + Namespace
		return nil
	}
	for _, d := range deployments.Items {
		status.Version = d.Labels[versionLabel]
		if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < 1 || d.Status.ReadyReplicas < 1 {
			status.Trouble = c.trouble(ctx, "deployment "+d.Name+" has no ready pod")
			return nil
		}
	}
	status.Ready = true
	return nil
}

// trouble returns what keeps the pods from being ready, as far as they say it.
func (c *Client) trouble(ctx context.Context, otherwise string) string {
	pods, err := c.kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return otherwise
	}
	for _, pod := range pods.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
				return fmt.Sprintf("pod %s is not scheduled: %s", pod.Name, condition.Message)
			}
		}
		for _, container := range pod.Status.ContainerStatuses {
			if waiting := container.State.Waiting; waiting != nil {
				return fmt.Sprintf("pod %s is waiting: %s", pod.Name, cmp.Or(waiting.Message, waiting.Reason))
			}
		}
	}
	return otherwise
}

// Install makes the operator ready. One that works or that somebody else made is left as it is, and an incomplete one that sparkchaos made
// is completed.
func (c *Client) Install(ctx context.Context, parts Parts) error {
	ctx, cancel := context.WithTimeoutCause(ctx, InstallTimeout, fmt.Errorf("it was not ready within %v", InstallTimeout))
	defer cancel()
	status, err := c.Status(ctx)
	if err != nil || status.Foreign() || status.Works() {
		return err
	}
	if err := c.install(ctx, parts); err != nil {
		return fmt.Errorf("install %s: %w", Name, err)
	}
	return nil
}

func (c *Client) install(ctx context.Context, parts Parts) error {
	if err := c.refuseForeignNamespace(ctx); err != nil {
		return err
	}
	server, err := c.kube.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("version of the API server: %w", err)
	}
	objects, err := parts.render(server)
	if err != nil {
		return err
	}
	definitions, err := parts.definitions()
	if err != nil {
		return err
	}
	// The namespace says whose all the rest is.
	if err := c.applier.Apply(ctx, append([]*unstructured.Unstructured{chart.Namespace(Namespace)}, definitions...)...); err != nil {
		return err
	}
	// Without its resources the controller would end, and be started again after a while.
	if err := c.await(ctx, func(s Status) bool { return s.Served }); err != nil {
		return err
	}
	if err := c.applier.Apply(ctx, objects...); err != nil {
		return err
	}
	return c.await(ctx, Status.Works)
}

// refuseForeignNamespace returns an error if somebody else has the namespace.
func (c *Client) refuseForeignNamespace(ctx context.Context) error {
	namespace, err := c.kube.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for namespace %s: %w", Namespace, err)
	}
	if namespace.Labels[chart.ManagedByLabel] != managedBy {
		return fmt.Errorf("the cluster has a namespace %s that sparkchaos did not make (it lacks the label %s=%s), and serves no %s: install "+
			"the operator there, or remove the namespace", Namespace, chart.ManagedByLabel, managedBy, API)
	}
	return nil
}

// await waits until the status is as it is wanted.
func (c *Client) await(ctx context.Context, wanted func(Status) bool) error {
	return cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		status, err := c.Status(ctx)
		if err != nil {
			return false, err.Error()
		}
		return wanted(status), status.String()
	})
}

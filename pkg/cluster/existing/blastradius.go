package existing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/pager"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// BlastRadius is what a run, or an action to a node, may disturb: the nodes, and what others run on them.
type BlastRadius struct {
	Context, Server string
	Nodes           []NodeRadius
	ControlPlane    []string         // nodes that are left alone
	Actions         []cluster.Action // that can be done to the machines
	Workload        string           // what a workload's code can do there, see [Cluster.WorkloadRights]; empty if none runs
}

// NodeRadius is one node with the pods of others on it.
type NodeRadius struct {
	Name string
	UID  types.UID
	Pods []string // namespace/name, sorted
}

// BlastRadius looks at all pods of the cluster. Those that have ended are none to disturb.
func (c *Cluster) BlastRadius(ctx context.Context) (BlastRadius, error) {
	radius := BlastRadius{Context: c.options.Context, Server: c.config.Host, Actions: c.Can()}
	workers, leftAlone, err := c.nodes(ctx)
	if err != nil {
		return radius, err
	}
	for _, node := range leftAlone {
		radius.ControlPlane = append(radius.ControlPlane, node.Name)
	}
	on := map[string][]string{}
	pods := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (runtime.Object, error) {
		return c.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, options)
	}))
	err = pods.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		pod, ok := object.(*corev1.Pod)
		if !ok {
			return fmt.Errorf("expected a Pod, got %T", object)
		}
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			on[pod.Spec.NodeName] = append(on[pod.Spec.NodeName], pod.Namespace+"/"+pod.Name)
		}
		return nil
	})
	if err != nil {
		return radius, fmt.Errorf("look at the pods of context %s: %w", c.options.Context, err)
	}
	for _, worker := range workers {
		slices.Sort(on[worker.Name])
		radius.Nodes = append(radius.Nodes, NodeRadius{Name: worker.Name, UID: worker.UID, Pods: on[worker.Name]})
	}
	return radius, nil
}

// Only is what an action to one node may disturb.
func (b BlastRadius) Only(node string) BlastRadius {
	b.Nodes = slices.DeleteFunc(slices.Clone(b.Nodes), func(n NodeRadius) bool { return n.Name != node })
	b.ControlPlane = nil
	return b
}

// String describes to a person what may be disturbed.
func (b BlastRadius) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "On context %s (%s) these nodes and everything on them may be disturbed, %d in all:\n", b.Context, b.Server,
		len(b.Nodes))
	others := 0
	for _, node := range b.Nodes {
		fmt.Fprintf(&text, "  %s: %s\n", node.Name, orNone(strings.Join(node.Pods, ", ")))
		others += len(node.Pods)
	}
	if len(b.ControlPlane) > 0 {
		fmt.Fprintf(&text, "Left alone, as part of the control plane: %s\n", strings.Join(b.ControlPlane, ", "))
	}
	actions := "nothing is done to machines"
	if len(b.Actions) > 0 {
		words := make([]string, 0, len(b.Actions))
		for _, action := range b.Actions {
			words = append(words, string(action))
		}
		actions = "faults of machines: " + strings.Join(words, ", ")
	}
	fmt.Fprintf(&text, "%d pods of others run there; %s.\n", others, actions)
	if b.Workload != "" {
		fmt.Fprintf(&text, "%s.\n", b.Workload)
	}
	return text.String()
}

// WorkloadRights returns in words what the code of a workload can do on the nodes.
func (c *Cluster) WorkloadRights(ctx context.Context) (string, error) {
	missing, err := c.missing(ctx, restrictingPermissions())
	if err != nil {
		return "", err
	}
	const creates = "A workload's code runs on these nodes with the rights of its image's user, and creates pods; "
	if len(missing) == 0 {
		return creates + "a policy restricts them to unprivileged executors", nil
	}
	return creates + "nothing restricts them, so that it can become root on every node, as the user may not " + strings.Join(missing,
		", "), nil
}

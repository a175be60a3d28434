package look

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodeConditionsView is how observations name where it was read whether a node is Ready.
const NodeConditionsView = "conditions of the Node in the API"

// AwaitReady waits until the node's lease is renewed under our eyes and the node is Ready. The Ready condition alone would not do:
// the API shows the old one until the node's silence is noticed.
func AwaitReady(ctx context.Context, env faults.Env, name string) ([]cluster.Observation, error) {
	lease := cluster.NodeLease{Node: name}
	var renewed *cluster.Observation
	var ready cluster.Observation
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		if err := lease.Look(ctx, env.Client, env.Now); err != nil {
			return await.NotYet(err)
		}
		if !lease.Renewed() {
			return await.NotYet(fmt.Errorf("kubelet of node %s did not renew its lease since the recovery", name))
		}
		if renewed == nil {
			renewed = &cluster.Observation{What: "kubelet renewed the node's lease", How: "renewTime of the Lease, twice", At: env.Now()}
		}
		node, err := Node(ctx, env.Client, name)
		if err != nil {
			return await.NotYet(err)
		}
		if against := NotReady(node); against != "" {
			return await.NotYet(errors.New(against))
		}
		ready = cluster.Observation{What: "the node is Ready", How: NodeConditionsView, At: env.Now()}
		return await.Done()
	})
	if err != nil {
		return nil, err
	}
	return []cluster.Observation{*renewed, ready}, nil
}

// NotReady returns what speaks against a node being Ready; empty if it is.
func NotReady(node *corev1.Node) string {
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status == corev1.ConditionTrue {
			return ""
		}
		return fmt.Sprintf("node %s has Ready=%s since %s (%s: %s)", node.Name, condition.Status,
			condition.LastTransitionTime.UTC().Format(time.RFC3339), condition.Reason, condition.Message)
	}
	return fmt.Sprintf("node %s has no condition Ready", node.Name)
}

// MachinesView is how observations name where a node's state as a machine was read.
const MachinesView = "the cluster's view of its machines"

// Machine returns the state of a node as a machine.
func Machine(ctx context.Context, machines faults.Machines, name string) (cluster.Node, error) {
	nodes, err := machines.Nodes(ctx)
	if err != nil {
		return cluster.Node{}, fmt.Errorf("look at node %s: %w", name, err)
	}
	names := make([]string, 0, len(nodes))
	for _, node := range nodes {
		if node.Name == name {
			return node, nil
		}
		names = append(names, node.Name)
	}
	return cluster.Node{}, fmt.Errorf("cluster %s has no node %s: its workers are %v", machines.Name(), name, names)
}

// NodeObject finds the object of the node that a selector means now.
func NodeObject(ctx context.Context, env faults.Env, selector scenario.NodeSelector) (*corev1.Node, error) {
	name, err := NodeOf(env.Targets, selector)
	if err != nil {
		return nil, err
	}
	// The cluster knows which nodes a run may disturb: those of the control plane are not among them.
	if _, err := Machine(ctx, env.Machines, name); err != nil {
		return nil, err
	}
	return Node(ctx, env.Client, name)
}

// Node reads a node's object.
func Node(ctx context.Context, client kubernetes.Interface, name string) (*corev1.Node, error) {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at node %s in the API: %w", name, err)
	}
	return node, nil
}

// AnotherNodeError says that a node's object was replaced by one of the same name.
type AnotherNodeError struct {
	Node string
	UID  string // of the object that is there
	Want string // the UID of the one that is meant
}

// Error names both objects.
func (e *AnotherNodeError) Error() string {
	return fmt.Sprintf("node %s is another object by now: its UID is %s, expected %s", e.Node, e.UID, e.Want)
}

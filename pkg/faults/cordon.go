package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// What is done to a node's object, in the evidence.
const (
	nodeCordoned cluster.Action = "node-cordon"
	nodeUncordon cluster.Action = "node-uncordon"
)

// nodeObjectView is how observations name where it was read whether a node takes pods.
const nodeObjectView = "the Node in the API"

// resolveUncordoned finds the node that a selector means now, which must take pods: what is so already is no effect.
func resolveUncordoned(ctx context.Context, env Env, selector scenario.NodeSelector) (Target, error) {
	name, err := resolveNode(env.Targets, selector)
	if err != nil {
		return Target{}, err
	}
	object, err := env.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return Target{}, fmt.Errorf("look at node %s in the API: %w", name, err)
	}
	if object.Spec.Unschedulable {
		return Target{}, fmt.Errorf("node %s is cordoned already", name)
	}
	return Target{Object: history.Object{Kind: "Node", Name: name, UID: string(object.UID)}, Node: name, Cordon: true}, nil
}

// cordon makes the target's node take no pods.
func cordon(ctx context.Context, env Env, target Target) (Effect, error) {
	effect := Effect{Began: env.Now()}
	if err := setUnschedulable(ctx, env.Client, target, true); err != nil {
		return effect, err
	}
	effect.Observations = []cluster.Observation{{What: "the API server accepted that the node is cordoned", How: "its answer, with UID and resource version as preconditions", At: env.Now()}}
	return effect, nil
}

// isCordoned says what speaks against the target's node being cordoned: trouble of looking, or what will not change.
func isCordoned(ctx context.Context, env Env, target Target) (transient, final error) {
	object, err := env.Client.CoreV1().Nodes().Get(ctx, target.Node, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("look at node %s in the API: %w", target.Node, err), nil
	}
	if string(object.UID) != target.Object.UID || !object.Spec.Unschedulable {
		return nil, fmt.Errorf("node %s (UID %s) is not cordoned", target.Node, object.UID)
	}
	return nil, nil
}

func cordoned(env Env, target Target) cluster.Observation {
	return cluster.Observation{What: fmt.Sprintf("node %s is cordoned", target.Node), How: nodeObjectView, At: env.Now()}
}

// setUnschedulable cordons the target's node or ends that.
func setUnschedulable(ctx context.Context, client kubernetes.Interface, target Target, unschedulable bool) error {
	return changeNode(ctx, client, target, func(node *corev1.Node) bool {
		changed := node.Spec.Unschedulable != unschedulable
		node.Spec.Unschedulable = unschedulable
		return changed
	})
}

// uncordoning is the recovery of faults that cordon a node.
type uncordoning struct{}

// Recover implements Fault.
func (uncordoning) Recover(ctx context.Context, env Env, target Target, _ []Record) (Effect, error) {
	evidence, err := uncordon(ctx, env.Client, target)
	return Effect{Began: evidence.Begun, Observations: evidence.Observations}, err
}

// uncordon lets the target's node take pods again. With the object that was cordoned there is nothing to undo.
func uncordon(ctx context.Context, client kubernetes.Interface, target Target) (cluster.Evidence, error) {
	evidence := cluster.Evidence{Action: nodeUncordon, Node: target.Node, Begun: time.Now()}
	err := setUnschedulable(ctx, client, target, false)
	what := "the API server accepted that the node takes pods"
	replaced := new(anotherNodeError)
	switch {
	case errors.As(err, &replaced) || apierrors.IsNotFound(err):
		what = fmt.Sprintf("the object of node %s that was cordoned is gone", target.Node)
	case err != nil:
		return evidence, fmt.Errorf("uncordon node %s: %w", target.Node, err)
	}
	evidence.Observations = []cluster.Observation{{What: what, How: nodeObjectView, At: time.Now()}}
	return evidence, nil
}

// ProveRecovered implements Fault.
func (uncordoning) ProveRecovered(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	object, err := env.Client.CoreV1().Nodes().Get(ctx, target.Node, metav1.GetOptions{})
	if err != nil {
		return Proof{}, fmt.Errorf("look at node %s in the API: %w", target.Node, err)
	}
	if object.Spec.Unschedulable {
		return Proof{}, fmt.Errorf("node %s is still cordoned", target.Node)
	}
	seen := cluster.Observation{What: fmt.Sprintf("node %s takes pods", target.Node), How: nodeObjectView, At: env.Now()}
	return Proof{
		Evidence: cluster.Evidence{Action: nodeUncordon, Node: target.Node, Begun: effect.Began, Observations: append(effect.Observations, seen)},
		Before:   target.Pods,
	}, nil
}

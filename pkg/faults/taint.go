package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// What is done to a node's object, in the evidence. It is done to the API, not to a machine.
const (
	nodeTainted cluster.Action = "node-taint"
	nodeUntaint cluster.Action = "node-untaint"
)

// taintsView is how observations name where a node's taints were read.
const taintsView = "taints of the Node in the API"

// podGCPeriod is the time between two rounds of Kubernetes' pod garbage collector.
const podGCPeriod = 20 * time.Second

// changeTaints changes the taints of the target's node; see changeNode.
func changeTaints(ctx context.Context, client kubernetes.Interface, target Target, change func([]corev1.Taint) []corev1.Taint) error {
	return changeNode(ctx, client, target, func(node *corev1.Node) bool {
		before := node.Spec.Taints
		node.Spec.Taints = change(slices.Clone(before))
		return !slices.Equal(before, node.Spec.Taints)
	})
}

// changeNode changes the target's node in the API, that object alone and against its newest version: what others changed
// meanwhile is never overwritten. change says whether it changed anything.
func changeNode(ctx context.Context, client kubernetes.Interface, target Target, change func(*corev1.Node) bool) error {
	nodes := client.CoreV1().Nodes()
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := nodes.Get(ctx, target.Node, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("look at node %s in the API: %w", target.Node, err)
		}
		if string(node.UID) != target.Object.UID {
			return &anotherNodeError{node: target.Node, uid: string(node.UID), want: target.Object.UID}
		}
		if !change(node) {
			return nil
		}
		_, err = nodes.Update(ctx, node, metav1.UpdateOptions{})
		return err // as it is, so that a conflict is recognised
	})
}

// anotherNodeError says that a node's object was replaced by one of the same name.
type anotherNodeError struct{ node, uid, want string }

// Error names both objects.
func (e *anotherNodeError) Error() string {
	return fmt.Sprintf("node %s is another object by now: its UID is %s, expected %s", e.node, e.uid, e.want)
}

// removeTaint takes the target's taint away, if it is there. With the object that bore it the taint is gone, too.
func removeTaint(ctx context.Context, client kubernetes.Interface, target Target) (cluster.Evidence, error) {
	evidence := cluster.Evidence{Action: nodeUntaint, Node: target.Node, Begun: time.Now()}
	taint := *target.Taint
	found := false
	err := changeTaints(ctx, client, target, func(taints []corev1.Taint) []corev1.Taint {
		found = slices.ContainsFunc(taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
		return slices.DeleteFunc(taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
	})
	what := "the API server accepted the removal of the taint " + taint.ToString()
	replaced := new(anotherNodeError)
	switch {
	case errors.As(err, &replaced) || apierrors.IsNotFound(err):
		what = fmt.Sprintf("the object of node %s that had the taint is gone", target.Node)
	case err != nil:
		return evidence, fmt.Errorf("take the taint %s from node %s: %w", taint.ToString(), target.Node, err)
	case !found:
		what = fmt.Sprintf("the taint %s is not there: nothing to undo", taint.ToString())
	}
	evidence.Observations = []cluster.Observation{{What: what, How: taintsView, At: time.Now()}}
	return evidence, nil
}

func hasTaint(node *corev1.Node, taint corev1.Taint) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
}

// taintsOf writes a node's taints for people.
func taintsOf(node *corev1.Node) string {
	var all []string
	for _, taint := range node.Spec.Taints {
		all = append(all, taint.ToString())
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// taint puts the target's taint on its node.
func taint(ctx context.Context, env Env, target Target) (Effect, error) {
	effect := Effect{Began: env.Now()}
	err := changeTaints(ctx, env.Client, target, func(taints []corev1.Taint) []corev1.Taint { return append(taints, *target.Taint) })
	if err != nil {
		return effect, err
	}
	effect.Observations = []cluster.Observation{{What: "the API server accepted the taint " + target.Taint.ToString(), How: "its answer, with UID and resource version as preconditions", At: env.Now()}}
	return effect, nil
}

// isTainted says what speaks against the target's node having its taint: trouble of looking, or what will not change.
func isTainted(ctx context.Context, env Env, target Target) (transient, final error) {
	object, err := env.Client.CoreV1().Nodes().Get(ctx, target.Node, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("look at node %s in the API: %w", target.Node, err), nil
	}
	if string(object.UID) != target.Object.UID || !hasTaint(object, *target.Taint) {
		return nil, fmt.Errorf("node %s (UID %s) has not the taint %s: its taints are %s", target.Node, object.UID, target.Taint.ToString(), taintsOf(object))
	}
	return nil, nil
}

func tainted(env Env, target Target) cluster.Observation {
	return cluster.Observation{What: fmt.Sprintf("node %s has the taint %s", target.Node, target.Taint.ToString()), How: taintsView, At: env.Now()}
}

// untainting is the recovery of faults that taint a node.
type untainting struct{}

// Recover implements Fault.
func (untainting) Recover(ctx context.Context, env Env, target Target, _ []Record) (Effect, error) {
	evidence, err := removeTaint(ctx, env.Client, target)
	return Effect{Began: evidence.Begun, Observations: evidence.Observations}, err
}

// ProveRecovered implements Fault: the taint is gone. Whether the node is Ready is a question of the fault that switched it off.
func (untainting) ProveRecovered(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	object, err := env.Client.CoreV1().Nodes().Get(ctx, target.Node, metav1.GetOptions{})
	if err != nil {
		return Proof{}, fmt.Errorf("look at node %s in the API: %w", target.Node, err)
	}
	if hasTaint(object, *target.Taint) {
		return Proof{}, fmt.Errorf("node %s still has the taint %s", target.Node, target.Taint.ToString())
	}
	seen := cluster.Observation{What: fmt.Sprintf("node %s has not the taint %s", target.Node, target.Taint.ToString()), How: taintsView, At: env.Now()}
	return Proof{
		Evidence: cluster.Evidence{Action: nodeUntaint, Node: target.Node, Begun: effect.Began, Observations: append(effect.Observations, seen)},
		Before:   target.Before, After: taintsOf(object),
	}, nil
}

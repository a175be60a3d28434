package nodeobject

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// The actions on a node's object, as the evidence names them. They change the API's object, not a machine.
const (
	nodeCordoned   cluster.Action = "node-cordon"
	nodeUncordoned cluster.Action = "node-uncordon"
	nodeTainted    cluster.Action = "node-taint"
	nodeUntainted  cluster.Action = "node-untaint"
)

// nodeObjectView is how observations name where a node's object was read.
const nodeObjectView = "the Node in the API"

// acceptedHow is how the API server's answer to a change of a node's object was got.
const acceptedHow = "its answer, with UID and resource version as preconditions"

// steadyLooks is how often in a row a node's object must be seen as the fault made it, where nothing else follows from it.
const steadyLooks = 10

// NodeObject is what of a node's object the faults change.
type NodeObject struct {
	Unschedulable bool   `json:"unschedulable"`
	Taints        string `json:"taints"`
}

// onNodeObject is what faults that change a node's object share: the API is enough for them, and they are undone alike.
type onNodeObject struct{}

// Needs implements Fault: the API is enough.
func (onNodeObject) Needs() []cluster.Action { return nil }

// ProveRecovered implements Fault: the object does not bear the fault's mark, which goes with what it marks in one update.
// Other faults ask whether the node is Ready.
func (onNodeObject) ProveRecovered(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	seen := fmt.Sprintf("the object of node %s that was changed is gone", target.Node)
	object, err := look.Node(ctx, env.Client, target.Node)
	if err != nil && !apierrors.IsNotFound(err) {
		return faults.Proof{}, err
	}
	change := changeOf(target)
	proof := faults.Proof{Evidence: cluster.Evidence{Action: change.restoring(), Node: target.Node, Begun: effect.Began}, Before: change}
	if err == nil && string(object.UID) == target.Object.UID {
		marks, err := marksOf(object)
		if err != nil {
			return faults.Proof{}, err
		}
		if slices.ContainsFunc(marks, markOf(env, change).same) {
			return faults.Proof{}, fmt.Errorf("node %s is still marked as changed by fault %s of run %s, its taints are %s", target.Node, env.Fault,
				env.Run, taintsOf(object))
		}
		now := NodeObject{Unschedulable: object.Spec.Unschedulable, Taints: taintsOf(object)}
		proof.After = now
		seen = fmt.Sprintf("node %s does not bear the fault's mark; unschedulable: %t, taints: %s", target.Node, now.Unschedulable, now.Taints)
	}
	proof.Observations = append(effect.Observations, cluster.Observation{What: seen, How: nodeObjectView, At: env.Now()})
	return proof, nil
}

// nodeChange is what is done to a node's object, and what was found of the node before. It stands in the evidence.
type nodeChange struct {
	Object history.Object `json:"object"`
	Node   string         `json:"node,omitempty"`
	// Before is the machine; nil if nobody looked at it.
	Before *cluster.Node `json:"before,omitempty"`
	// Taint is what is put on the node; nil if nothing is.
	Taint *corev1.Taint `json:"taint,omitempty"`
	// Cordon says that the node is cordoned.
	Cordon bool `json:"cordon,omitempty"`
	// Marked says that the change is marked on the node; see UndoMark.
	Marked bool `json:"marked,omitempty"`
	// Pods are those of the run that the node carried when its taint was about to free them, or they were to be evicted.
	Pods []history.Object `json:"pods,omitempty"`
}

// changeOf returns the change that a target is resolved to.
func changeOf(target faults.Target) nodeChange { return target.Facts.(nodeChange) }

// changeNodeObject returns the change that cordons a node or, with a taint, taints it. It refuses a node that is so already:
// undoing would take away what is somebody else's.
func changeNodeObject(node *corev1.Node, taint *corev1.Taint) (nodeChange, error) {
	change := nodeChange{
		Object: history.Object{Kind: "Node", Name: node.Name, UID: string(node.UID)},
		Node:   node.Name, Taint: taint, Cordon: taint == nil, Marked: true,
	}
	if _, err := marksOf(node); err != nil {
		return nodeChange{}, err
	}
	return change, change.free(node)
}

// target returns the target of a fault that makes the change.
func (c nodeChange) target() (faults.Target, error) {
	undo, err := faults.NewUndo(faults.UndoNodeObject, undo{Taint: c.Taint, Cordon: c.Cordon, Marked: c.Marked})
	return faults.Target{Object: c.Object, Node: c.Node, Undo: undo, Facts: c}, err
}

// resolvedTo is the target of a change, or of one that was refused.
func resolvedTo(change nodeChange, refused error) (faults.Target, error) {
	if refused != nil {
		return faults.Target{Object: change.Object, Node: change.Node}, refused
	}
	return change.target()
}

// free returns what keeps the node from being changed: somebody did the same to it already.
func (c nodeChange) free(node *corev1.Node) error {
	if c.Cordon && node.Spec.Unschedulable {
		return fmt.Errorf("node %s is cordoned already", node.Name)
	}
	if c.Taint != nil && slices.ContainsFunc(node.Spec.Taints, func(other corev1.Taint) bool { return other.MatchTaint(c.Taint) }) {
		return fmt.Errorf("node %s has the taint %s already, or one that differs in its value alone: its taints are %s", node.Name,
			c.Taint.ToString(), taintsOf(node))
	}
	return nil
}

// restoring is what undoes the change, in the evidence.
func (c nodeChange) restoring() cluster.Action {
	if c.Cordon {
		return nodeUncordoned
	}
	return nodeUntainted
}

// strikeNode cordons or taints the target's node and marks it with what undoes that, in one update.
func strikeNode(ctx context.Context, env faults.Env, change nodeChange) (cluster.Observation, error) {
	mark := markOf(env, change)
	if err := mark.problem(); err != nil {
		return cluster.Observation{}, err
	}
	err := changeNode(ctx, env.Client, change.Object, func(node *corev1.Node) (bool, error) {
		marks, err := marksOf(node)
		if err != nil || slices.ContainsFunc(marks, mark.same) {
			return false, err
		}
		if err := change.free(node); err != nil { // somebody may have been faster
			return false, err
		}
		if change.Cordon {
			node.Spec.Unschedulable = true
		}
		if change.Taint != nil {
			node.Spec.Taints = append(node.Spec.Taints, *change.Taint)
		}
		return true, setMarks(node, append(marks, mark))
	})
	what := "the API server accepted that the node is cordoned"
	if change.Taint != nil {
		what = "the API server accepted the taint " + change.Taint.ToString()
	}
	return cluster.Observation{What: what, How: acceptedHow, At: env.Now()}, err
}

// injectOnNode is the Inject of faults that change a node's object; dry leaves the change out.
func injectOnNode(ctx context.Context, env faults.Env, target faults.Target, dry bool) (faults.Effect, error) {
	effect := faults.Effect{Began: env.Now()}
	if dry {
		return effect, nil
	}
	seen, err := strikeNode(ctx, env, changeOf(target))
	if err != nil {
		return effect, err
	}
	effect.Observations = []cluster.Observation{seen}
	return effect, nil
}

// changeNode changes a node's object in the API, that object alone and against its newest version: what others changed
// meanwhile is never overwritten. change reports whether it changed anything.
func changeNode(ctx context.Context, client kubernetes.Interface, object history.Object, change func(*corev1.Node) (bool, error)) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := look.Node(ctx, client, object.Name)
		if err != nil {
			return err
		}
		if string(node.UID) != object.UID {
			return &look.AnotherNodeError{Node: object.Name, UID: string(node.UID), Want: object.UID}
		}
		if changed, err := change(node); err != nil || !changed {
			return err
		}
		_, err = client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		return err // as it is, so that a conflict is recognised
	})
}

// proofOf begins the proof of what was done to a node's object.
func proofOf(target faults.Target, effect faults.Effect) faults.Proof {
	change := changeOf(target)
	action := nodeCordoned
	if change.Taint != nil {
		action = nodeTainted
	}
	return faults.Proof{
		Evidence: cluster.Evidence{Action: action, Node: target.Node, Begun: effect.Began, Observations: effect.Observations},
		Before:   change.Pods, After: []history.Object{},
	}
}

// seenChanged observes that a node is cordoned or tainted, as the fault made it. An error says what it is instead.
func seenChanged(env faults.Env, change nodeChange, object *corev1.Node) (cluster.Observation, error) {
	what := fmt.Sprintf("node %s is cordoned", change.Node)
	switch {
	case string(object.UID) != change.Object.UID:
		return cluster.Observation{}, &look.AnotherNodeError{Node: change.Node, UID: string(object.UID), Want: change.Object.UID}
	case change.Cordon && !object.Spec.Unschedulable:
		return cluster.Observation{}, fmt.Errorf("node %s (UID %s) is not cordoned", change.Node, object.UID)
	case change.Taint != nil && !hasTaint(object, *change.Taint):
		return cluster.Observation{}, fmt.Errorf("node %s (UID %s) has not the taint %s: its taints are %s", change.Node, object.UID,
			change.Taint.ToString(), taintsOf(object))
	case change.Taint != nil:
		what = fmt.Sprintf("node %s has the taint %s", change.Node, change.Taint.ToString())
	}
	return cluster.Observation{What: what, How: nodeObjectView, At: env.Now()}, nil
}

// proveStruck looks at the node's object, and then for what is to follow, until that is so. follows returns what is missing.
func proveStruck(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect,
	follows func(context.Context) (missing error), then string, how string) (faults.Proof, error) {
	proof := proofOf(target, effect)
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		object, err := look.Node(ctx, env.Client, target.Node)
		if err != nil {
			return await.NotYet(err)
		}
		seen, err := seenChanged(env, changeOf(target), object)
		if err != nil {
			return await.Failed(err)
		}
		if missing := follows(ctx); missing != nil {
			return await.NotYet(missing)
		}
		proof.Observations = append(proof.Observations, seen)
		return await.Done()
	})
	if err != nil {
		return faults.Proof{}, err
	}
	proof.Observations = append(proof.Observations, cluster.Observation{What: then, How: how, At: env.Now()})
	return proof, nil
}

// proveStays proves a change of which nothing follows for what runs: it is seen, and stays.
func proveStays(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	looks := 0
	stays := func(context.Context) error {
		if looks++; looks < steadyLooks {
			return fmt.Errorf("node %s was seen so %d times, expected %d in a row", target.Node, looks, steadyLooks)
		}
		return nil
	}
	return proveStruck(ctx, env, target, effect, stays,
		fmt.Sprintf("it stayed so for %d looks in a row, %s apart", steadyLooks, env.PollEvery), nodeObjectView)
}

// stillThere returns which of the node's pods are among those that are seen now; nil if none is.
func stillThere(change nodeChange, now []history.Object) error {
	left := slices.DeleteFunc(now, func(pod history.Object) bool { return !slices.Contains(change.Pods, pod) })
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("node %s is changed, but %d of its %d pods are still there: %s …", change.Node, len(left), len(change.Pods),
		left[0].Name)
}

package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// What is done to a node's object, in the evidence. It is done to the API, not to a machine.
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

// Recover implements Fault.
func (onNodeObject) Recover(ctx context.Context, env Env, target Target, _ []Record) (Effect, error) {
	evidence, err := restoreNode(ctx, env.Client, target, env.mark(target))
	return Effect{Began: evidence.Begun, Observations: evidence.Observations}, err
}

// ProveRecovered implements Fault: the object does not bear the fault's mark, which goes with what it marks in one update.
// Whether the node is Ready is a question of other faults.
func (onNodeObject) ProveRecovered(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	seen := fmt.Sprintf("the object of node %s that was changed is gone", target.Node)
	object, err := getNode(ctx, env.Client, target.Node)
	if err != nil && !apierrors.IsNotFound(err) {
		return Proof{}, err
	}
	proof := Proof{Evidence: cluster.Evidence{Action: target.restoring(), Node: target.Node, Begun: effect.Began}, Before: target}
	if err == nil && string(object.UID) == target.Object.UID {
		marks, err := marksOf(object)
		if err != nil {
			return Proof{}, err
		}
		if slices.ContainsFunc(marks, env.mark(target).same) {
			return Proof{}, fmt.Errorf("node %s is still marked as changed by fault %s of run %s, its taints are %s", target.Node, env.Fault, env.Run, taintsOf(object))
		}
		now := NodeObject{Unschedulable: object.Spec.Unschedulable, Taints: taintsOf(object)}
		proof.After = now
		seen = fmt.Sprintf("node %s does not bear the fault's mark; unschedulable: %t, taints: %s", target.Node, now.Unschedulable, now.Taints)
	}
	proof.Observations = append(effect.Observations, cluster.Observation{What: seen, How: nodeObjectView, At: env.Now()})
	return proof, nil
}

// resolveNodeObject finds the object of the node that a selector means now.
func resolveNodeObject(ctx context.Context, env Env, selector scenario.NodeSelector) (*corev1.Node, error) {
	name, err := resolveNode(env.Targets, selector)
	if err != nil {
		return nil, err
	}
	// The cluster knows which nodes a run may disturb: those of the control plane are not among them.
	if _, err := findNode(ctx, env.Machines, name); err != nil {
		return nil, err
	}
	return getNode(ctx, env.Client, name)
}

func getNode(ctx context.Context, client kubernetes.Interface, name string) (*corev1.Node, error) {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("look at node %s in the API: %w", name, err)
	}
	return node, nil
}

// nodeObjectTarget is a target whose object is to be cordoned or, with a taint, to be tainted. It refuses a node that is so already:
// undoing would take away what is somebody else's.
func nodeObjectTarget(node *corev1.Node, taint *corev1.Taint) (Target, error) {
	target := Target{
		Object: history.Object{Kind: "Node", Name: node.Name, UID: string(node.UID)},
		Node:   node.Name, Taint: taint, Cordon: taint == nil, Marked: true,
	}
	if _, err := marksOf(node); err != nil {
		return Target{}, err
	}
	return target, target.free(node)
}

// free says what keeps the target's node from being changed: somebody did the same to it already.
func (t Target) free(node *corev1.Node) error {
	if t.Cordon && node.Spec.Unschedulable {
		return fmt.Errorf("node %s is cordoned already", node.Name)
	}
	if t.Taint != nil && slices.ContainsFunc(node.Spec.Taints, func(other corev1.Taint) bool { return other.MatchTaint(t.Taint) }) {
		return fmt.Errorf("node %s has the taint %s already, or one that differs in its value alone: its taints are %s", node.Name, t.Taint.ToString(), taintsOf(node))
	}
	return nil
}

// restoring is what undoes the change of the target's node, in the evidence.
func (t Target) restoring() cluster.Action {
	if t.Cordon {
		return nodeUncordoned
	}
	return nodeUntainted
}

// onObject says that something is done to the object of a node.
func (t Target) onObject() bool { return t.Cordon || t.Taint != nil }

// strikeNode cordons or taints the target's node and marks it with what undoes that, in one update.
func strikeNode(ctx context.Context, env Env, target Target) (cluster.Observation, error) {
	mark := env.mark(target)
	if err := mark.problem(); err != nil {
		return cluster.Observation{}, err
	}
	err := changeNode(ctx, env.Client, target, func(node *corev1.Node) (bool, error) {
		marks, err := marksOf(node)
		if err != nil || slices.ContainsFunc(marks, mark.same) {
			return false, err
		}
		if err := target.free(node); err != nil { // somebody may have been faster
			return false, err
		}
		if target.Cordon {
			node.Spec.Unschedulable = true
		}
		if target.Taint != nil {
			node.Spec.Taints = append(node.Spec.Taints, *target.Taint)
		}
		return true, setMarks(node, append(marks, mark))
	})
	what := "the API server accepted that the node is cordoned"
	if target.Taint != nil {
		what = "the API server accepted the taint " + target.Taint.ToString()
	}
	return cluster.Observation{What: what, How: acceptedHow, At: env.Now()}, err
}

// injectOnNode is the Inject of faults that change a node's object; dry leaves the change out.
func injectOnNode(ctx context.Context, env Env, target Target, dry bool) (Effect, error) {
	effect := Effect{Began: env.Now()}
	if dry {
		return effect, nil
	}
	seen, err := strikeNode(ctx, env, target)
	if err != nil {
		return effect, err
	}
	effect.Observations = []cluster.Observation{seen}
	return effect, nil
}

// restoreNode undoes what the mark says, and takes the mark away in the same update. With the object that bore it, it is gone, too;
// and where the mark is gone, nothing was done or somebody undid it: what is on the node now is not the fault's.
func restoreNode(ctx context.Context, client kubernetes.Interface, target Target, mark UndoMark) (cluster.Evidence, error) {
	evidence := cluster.Evidence{Action: target.restoring(), Node: target.Node, Begun: time.Now()}
	what := ""
	err := changeNode(ctx, client, target, func(node *corev1.Node) (bool, error) {
		marks, err := marksOf(node)
		if err != nil {
			return false, err
		}
		rest := slices.DeleteFunc(slices.Clone(marks), mark.same)
		marked := len(rest) < len(marks)
		if target.Marked && !marked {
			what = fmt.Sprintf("node %s does not bear the fault's mark: nothing to undo", target.Node)
			return false, nil
		}
		restored := false
		restored, what = mark.restore(node)
		return restored || marked, setMarks(node, rest)
	})
	replaced := new(anotherNodeError)
	switch {
	case errors.As(err, &replaced) || apierrors.IsNotFound(err):
		what = fmt.Sprintf("the object of node %s that %s is gone", target.Node, mark.did())
	case err != nil:
		return evidence, fmt.Errorf("%s node %s: %w", mark.undoing(), target.Node, err)
	}
	evidence.Observations = []cluster.Observation{{What: what, How: nodeObjectView, At: time.Now()}}
	return evidence, nil
}

// changeNode changes the target's node in the API, that object alone and against its newest version: what others changed
// meanwhile is never overwritten. change says whether it changed anything.
func changeNode(ctx context.Context, client kubernetes.Interface, target Target, change func(*corev1.Node) (bool, error)) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := getNode(ctx, client, target.Node)
		if err != nil {
			return err
		}
		if string(node.UID) != target.Object.UID {
			return &anotherNodeError{node: target.Node, uid: string(node.UID), want: target.Object.UID}
		}
		if changed, err := change(node); err != nil || !changed {
			return err
		}
		_, err = client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		return err // as it is, so that a conflict is recognised
	})
}

// anotherNodeError says that a node's object was replaced by one of the same name.
type anotherNodeError struct{ node, uid, want string }

// Error names both objects.
func (e *anotherNodeError) Error() string {
	return fmt.Sprintf("node %s is another object by now: its UID is %s, expected %s", e.node, e.uid, e.want)
}

// proofOf begins the proof of what was done to a node's object.
func proofOf(target Target, effect Effect) Proof {
	action := nodeCordoned
	if target.Taint != nil {
		action = nodeTainted
	}
	return Proof{
		Evidence: cluster.Evidence{Action: action, Node: target.Node, Begun: effect.Began, Observations: effect.Observations},
		Before:   target.Pods, After: []history.Object{},
	}
}

// seenChanged observes that the target's node is cordoned or tainted, as the fault made it. An error says what it is instead.
func seenChanged(env Env, target Target, object *corev1.Node) (cluster.Observation, error) {
	what := fmt.Sprintf("node %s is cordoned", target.Node)
	switch {
	case string(object.UID) != target.Object.UID:
		return cluster.Observation{}, &anotherNodeError{node: target.Node, uid: string(object.UID), want: target.Object.UID}
	case target.Cordon && !object.Spec.Unschedulable:
		return cluster.Observation{}, fmt.Errorf("node %s (UID %s) is not cordoned", target.Node, object.UID)
	case target.Taint != nil && !hasTaint(object, *target.Taint):
		return cluster.Observation{}, fmt.Errorf("node %s (UID %s) has not the taint %s: its taints are %s", target.Node, object.UID, target.Taint.ToString(), taintsOf(object))
	case target.Taint != nil:
		what = fmt.Sprintf("node %s has the taint %s", target.Node, target.Taint.ToString())
	}
	return cluster.Observation{What: what, How: nodeObjectView, At: env.Now()}, nil
}

// proveStruck looks at the node's object, and then for what is to follow, until that is so. follows returns what is missing.
func proveStruck(ctx context.Context, env Env, target Target, effect Effect, follows func(context.Context) (missing error), then string, how string) (Proof, error) {
	proof := proofOf(target, effect)
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		object, err := getNode(ctx, env.Client, target.Node)
		if err != nil {
			return await.NotYet(err)
		}
		seen, err := seenChanged(env, target, object)
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
		return Proof{}, err
	}
	proof.Observations = append(proof.Observations, cluster.Observation{What: then, How: how, At: env.Now()})
	return proof, nil
}

// proveStays proves a change of which nothing follows for what runs: it is seen, and stays.
func proveStays(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	looks := 0
	stays := func(context.Context) error {
		if looks++; looks < steadyLooks {
			return fmt.Errorf("node %s was seen so %d times, expected %d in a row", target.Node, looks, steadyLooks)
		}
		return nil
	}
	return proveStruck(ctx, env, target, effect, stays, fmt.Sprintf("it stayed so for %d looks in a row, %s apart", steadyLooks, env.PollEvery), nodeObjectView)
}

// stillThere returns which of the target's pods are among those that are seen now; nil if none is.
func stillThere(target Target, now []history.Object) error {
	left := slices.DeleteFunc(now, func(pod history.Object) bool { return !slices.Contains(target.Pods, pod) })
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("node %s is struck, but %d of its %d pods are still there: %s …", target.Node, len(left), len(target.Pods), left[0].Name)
}

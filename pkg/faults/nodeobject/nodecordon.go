package nodeobject

import (
	"context"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodeCordonArgs are the arguments of nodeCordon.
type NodeCordonArgs struct {
	// Node is the node that is cordoned.
	Node scenario.NodeSelector `json:"node"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeCordonArgs) Choose(executors int, pick func(n int) int) { a.Node.Choose(executors, pick) }

func nodeCordonKind() faults.Kind {
	return faults.Definition[NodeCordonArgs]{
		Name: "nodeCordon",
		Doc: "An operator cordons a node: nothing more is scheduled onto it, and its pods keep running; recovering makes it schedulable " +
			"again. A node that is cordoned already is refused.",
		Example: NodeCordonArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[NodeCordonArgs](history.MarksNode),
		Check:   func(a NodeCordonArgs) []string { return a.Node.Problems("node") },
		Build:   func(a NodeCordonArgs) faults.Fault { return nodeCordon{args: a} },
	}.Kind()
}

// nodeCordon does what `kubectl cordon` does. Its variant that does not land is the cordon of a node that is cordoned already.
type nodeCordon struct {
	onNodeObject
	args NodeCordonArgs
}

// Describe implements Fault.
func (f nodeCordon) Describe() string { return "cordon " + f.args.Node.String() }

// LeavesRunning reports that no pod is affected.
func (f nodeCordon) LeavesRunning() bool { return true }

// Resolve implements Fault.
func (f nodeCordon) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	object, err := look.NodeObject(ctx, env, f.args.Node)
	if err != nil {
		return faults.Target{}, err
	}
	change, err := changeNodeObject(object, nil)
	return resolvedTo(change, err)
}

// Inject implements Fault.
func (f nodeCordon) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	return injectOnNode(ctx, env, target, false)
}

// ProveLanded implements Fault: the node's object shows the cordon, and keeps it.
func (f nodeCordon) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	return proveStays(ctx, env, target, effect)
}

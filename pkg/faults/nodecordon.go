package faults

import (
	"context"
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodeCordonArgs are the arguments of nodeCordon.
type NodeCordonArgs struct {
	// Node is the node that is cordoned.
	Node scenario.NodeSelector `json:"node"`
	// DryRun leaves the cordon out; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeCordonArgs) Choose(executors int, pick func(n int) int) { a.Node.Choose(executors, pick) }

func nodeCordonKind() Kind {
	return definition[NodeCordonArgs]{
		name:  "nodeCordon",
		doc:   "A node takes no more pods, those on it live on; recovering lets it be used again.",
		check: func(a NodeCordonArgs) []string { return a.Node.Problems("node") },
		build: func(a NodeCordonArgs) Fault { return nodeCordon{args: a} },
	}.kind()
}

// nodeCordon does what `kubectl cordon` does.
type nodeCordon struct {
	uncordoning
	args NodeCordonArgs
}

// Describe implements Fault.
func (f nodeCordon) Describe() string {
	if f.args.DryRun {
		return fmt.Sprintf("pretend to cordon %s and do nothing: the proof has to notice", f.args.Node)
	}
	return "cordon " + f.args.Node.String()
}

// Needs implements Fault: the API is enough.
func (f nodeCordon) Needs() []cluster.Action { return nil }

// Resolve implements Fault.
func (f nodeCordon) Resolve(ctx context.Context, env Env) (Target, error) {
	return resolveUncordoned(ctx, env, f.args.Node)
}

// Inject implements Fault.
func (f nodeCordon) Inject(ctx context.Context, env Env, target Target) (Effect, error) {
	if f.args.DryRun {
		return Effect{Began: env.Now()}, nil
	}
	return cordon(ctx, env, target)
}

// ProveLanded implements Fault: the node's object says so. The scheduler obeys nothing else.
func (f nodeCordon) ProveLanded(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	err := until(ctx, env.PollEvery, func(ctx context.Context) (bool, error, error) {
		transient, final := isCordoned(ctx, env, target)
		return transient == nil && final == nil, transient, final
	})
	if err != nil {
		return Proof{}, err
	}
	return Proof{Evidence: cluster.Evidence{
		Action: nodeCordoned, Node: target.Node, Begun: effect.Began, Observations: append(effect.Observations, cordoned(env, target)),
	}}, nil
}

package machine

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// nodeFault is what all faults of a node as a machine have in common: one action of the cluster, proven by the
// cluster's observations and by the node's state, undone by the action's counterpart.
type nodeFault struct {
	action   cluster.Action
	selector scenario.NodeSelector
	words    string // what the action does, for a user
	dryRun   bool   // the action is left out, everything else is done
	patience time.Duration
	// struck returns what speaks against the action having taken effect, as seen on the node; empty if nothing does.
	struck func(before, now cluster.Node) string
}

// Describe implements Fault.
func (f nodeFault) Describe() string {
	if f.dryRun {
		return fmt.Sprintf("pretend to %s %s and do nothing: the proof has to notice", f.words, f.selector)
	}
	return fmt.Sprintf("%s %s", f.words, f.selector)
}

// Needs implements Fault.
func (f nodeFault) Needs() []cluster.Action {
	undo, _ := f.action.Undo()
	return []cluster.Action{f.action, undo}
}

// Patience is what the action may take beyond the usual bound.
func (f nodeFault) Patience(faults.Target) time.Duration { return f.patience }

// Resolve implements Fault.
func (f nodeFault) Resolve(ctx context.Context, env faults.Env) (faults.Target, error) {
	name, err := look.NodeOf(env.Targets, f.selector)
	if err != nil {
		return faults.Target{}, err
	}
	before, err := look.Machine(ctx, env.Machines, name)
	if err != nil {
		return faults.Target{}, err
	}
	if before.Power != cluster.On {
		return faults.Target{}, fmt.Errorf("node %s is %s already: expected it to be on", name, before.Power)
	}
	if f.action.InEffect(before) {
		return faults.Target{}, fmt.Errorf("%s was done to node %s already", name, f.action)
	}
	node, err := knownNode(ctx, env, name)
	if err != nil {
		return faults.Target{}, err
	}
	undo, err := faults.NewUndo(faults.UndoMachine, undo{Action: f.action, Before: &before, Boot: node.Status.NodeInfo.BootID})
	return faults.Target{Object: history.Object{Kind: "Node", Name: name, UID: string(node.UID)}, Node: name, Undo: undo, Facts: before}, err
}

// knownNode reads the Node of a machine; troubles of reading are waited out.
func knownNode(ctx context.Context, env faults.Env, name string) (*corev1.Node, error) {
	var node *corev1.Node
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		object, err := env.Client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return await.Failed(fmt.Errorf("the API knows no node %s, though the cluster has the machine", name))
		}
		if err != nil {
			return await.NotYet(fmt.Errorf("look at node %s in the API: %w", name, err))
		}
		node = object
		return await.Done()
	})
	return node, err
}

// Inject implements Fault.
func (f nodeFault) Inject(ctx context.Context, env faults.Env, target faults.Target) (faults.Effect, error) {
	if f.dryRun {
		return faults.Effect{Began: env.Now()}, nil
	}
	evidence, err := env.Machines.Do(ctx, f.action, target.Node)
	if err != nil {
		return faults.Effect{Began: evidence.Begun}, fmt.Errorf("node %s: %s: %w", target.Node, f.action, err)
	}
	return faults.Effect{Began: evidence.Begun, Observations: evidence.Observations}, nil
}

// ProveLanded implements Fault. The cluster's own observations are not enough: the node is looked at again.
func (f nodeFault) ProveLanded(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	now, err := lookAtNode(ctx, env, target.Node)
	if err != nil {
		return faults.Proof{}, err
	}
	before := target.Facts.(cluster.Node)
	if against := f.struck(before, now); against != "" {
		return faults.Proof{}, fmt.Errorf("node %s after %s: %s", target.Node, f.action, against)
	}
	if len(effect.Observations) == 0 {
		return faults.Proof{}, fmt.Errorf("node %s: the cluster gave no observation of %s", target.Node, f.action)
	}
	seen := cluster.Observation{What: describeNode(now), How: look.MachinesView, At: env.Now()}
	return faults.Proof{
		Evidence: cluster.Evidence{Action: f.action, Node: target.Node, Begun: effect.Began, Observations: append(effect.Observations, seen)},
		Before:   before, After: now,
	}, nil
}

// ProveRecovered implements Fault: the machine is free of the fault, its kubelet renews the node's lease and the API
// says that the node is Ready. Of a machine that another fault still holds nothing more than the first can be asked.
func (f nodeFault) ProveRecovered(ctx context.Context, env faults.Env, target faults.Target, effect faults.Effect) (faults.Proof, error) {
	now, err := lookAtNode(ctx, env, target.Node)
	if err != nil {
		return faults.Proof{}, err
	}
	if f.action.InEffect(now) {
		return faults.Proof{}, fmt.Errorf("%s is still in effect on node %s: %s", f.action, target.Node, describeNode(now))
	}
	undo, _ := f.action.Undo()
	proof := faults.Proof{
		Evidence: cluster.Evidence{Action: undo, Node: target.Node, Begun: effect.Began, Observations: effect.Observations},
		Before:   target.Facts, After: now,
	}
	proof.Observations = append(proof.Observations, cluster.Observation{What: describeNode(now), How: look.MachinesView, At: env.Now()})
	if now.Power == cluster.Off || now.Frozen || now.Isolated {
		proof.Detail = map[string]string{"ready": "not asked: another fault still holds the node"}
		return proof, nil
	}
	ready, err := look.AwaitReady(ctx, env, target.Node)
	proof.Observations = append(proof.Observations, ready...)
	return proof, err
}

// lookAtNode reads the node's state as a machine; troubles of reading are waited out.
func lookAtNode(ctx context.Context, env faults.Env, name string) (cluster.Node, error) {
	var node cluster.Node
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		var err error
		node, err = look.Machine(ctx, env.Machines, name)
		return await.Succeeded(err)
	})
	return node, err
}

func describeNode(node cluster.Node) string {
	words := fmt.Sprintf("the node is %s with %d processes, boot %s", node.Power, node.Processes, orNone(node.BootID))
	if node.Frozen {
		words += ", frozen"
	}
	if node.Isolated {
		words += ", isolated"
	}
	return words
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// nodeConditionsView is how observations name where it was read whether a node is Ready.
const nodeConditionsView = "conditions of the Node in the API"

// nodeFault is what all faults of a node as a machine have in common: one action of the cluster, proven by the
// cluster's observations and by the node's state, undone by the action's counterpart.
type nodeFault struct {
	action   cluster.Action
	selector scenario.NodeSelector
	words    string // what the action does, for a user
	dryRun   bool   // the action is left out, everything else is done
	patience time.Duration
	// struck says what speaks against the action having struck, as seen on the node; empty if nothing does.
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
func (f nodeFault) Patience(Target) time.Duration { return f.patience }

// Resolve implements Fault.
func (f nodeFault) Resolve(ctx context.Context, env Env) (Target, error) {
	name, err := resolveNode(env.Targets, f.selector)
	if err != nil {
		return Target{}, err
	}
	before, err := findNode(ctx, env.Machines, name)
	if err != nil {
		return Target{}, err
	}
	if before.Power != cluster.On {
		return Target{}, fmt.Errorf("node %s is %s already: expected it to be on", name, before.Power)
	}
	if f.action.InEffect(before) {
		return Target{}, fmt.Errorf("node %s is struck by %s already", name, f.action)
	}
	node, err := knownNode(ctx, env, name)
	if err != nil {
		return Target{}, err
	}
	undo, err := NewUndo(UndoMachine, machineUndo{Action: f.action, Before: &before, Boot: node.Status.NodeInfo.BootID})
	return Target{Object: history.Object{Kind: "Node", Name: name, UID: string(node.UID)}, Node: name, Undo: undo, Facts: before}, err
}

// knownNode reads the Node of a machine; troubles of reading are waited out.
func knownNode(ctx context.Context, env Env, name string) (*corev1.Node, error) {
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
func (f nodeFault) Inject(ctx context.Context, env Env, target Target) (Effect, error) {
	if f.dryRun {
		return Effect{Began: env.Now()}, nil
	}
	evidence, err := env.Machines.Do(ctx, f.action, target.Node)
	if err != nil {
		return Effect{Began: evidence.Begun}, fmt.Errorf("node %s: %s: %w", target.Node, f.action, err)
	}
	return Effect{Began: evidence.Begun, Observations: evidence.Observations}, nil
}

// ProveLanded implements Fault. The cluster's own observations are not enough: the node is looked at again.
func (f nodeFault) ProveLanded(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	now, err := lookAtNode(ctx, env, target.Node)
	if err != nil {
		return Proof{}, err
	}
	before := target.Facts.(cluster.Node)
	if against := f.struck(before, now); against != "" {
		return Proof{}, fmt.Errorf("node %s after %s: %s", target.Node, f.action, against)
	}
	if len(effect.Observations) == 0 {
		return Proof{}, fmt.Errorf("node %s: the cluster gave no observation of %s", target.Node, f.action)
	}
	seen := cluster.Observation{What: describeNode(now), How: nodesView, At: env.Now()}
	return Proof{
		Evidence: cluster.Evidence{Action: f.action, Node: target.Node, Begun: effect.Began, Observations: append(effect.Observations, seen)},
		Before:   before, After: now,
	}, nil
}

// ProveRecovered implements Fault: the machine is free of the fault, its kubelet renews the node's lease and the API
// says that the node is Ready. Of a machine that another fault still holds nothing more than the first can be asked.
func (f nodeFault) ProveRecovered(ctx context.Context, env Env, target Target, effect Effect) (Proof, error) {
	now, err := lookAtNode(ctx, env, target.Node)
	if err != nil {
		return Proof{}, err
	}
	if f.action.InEffect(now) {
		return Proof{}, fmt.Errorf("node %s is still struck by %s: %s", target.Node, f.action, describeNode(now))
	}
	undo, _ := f.action.Undo()
	proof := Proof{
		Evidence: cluster.Evidence{Action: undo, Node: target.Node, Begun: effect.Began, Observations: effect.Observations},
		Before:   target.Facts, After: now,
	}
	proof.Observations = append(proof.Observations, cluster.Observation{What: describeNode(now), How: nodesView, At: env.Now()})
	if now.Power == cluster.Off || now.Frozen || now.Isolated {
		proof.Detail = map[string]string{"ready": "not asked: another fault still holds the node"}
		return proof, nil
	}
	ready, err := awaitReady(ctx, env, target.Node)
	proof.Observations = append(proof.Observations, ready...)
	return proof, err
}

// lookAtNode reads the node's state as a machine; troubles of reading are waited out.
func lookAtNode(ctx context.Context, env Env, name string) (cluster.Node, error) {
	var node cluster.Node
	err := await.Until(ctx, env.PollEvery, func(ctx context.Context) await.Result {
		var err error
		node, err = findNode(ctx, env.Machines, name)
		return await.Succeeded(err)
	})
	return node, err
}

// awaitReady waits until the node's lease is renewed under our eyes and the node is Ready. The Ready condition alone would not do:
// the API shows the old one until the node's silence is noticed.
func awaitReady(ctx context.Context, env Env, name string) ([]cluster.Observation, error) {
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
		node, err := getNode(ctx, env.Client, name)
		if err != nil {
			return await.NotYet(err)
		}
		if against := notReady(node); against != "" {
			return await.NotYet(errors.New(against))
		}
		ready = cluster.Observation{What: "the node is Ready", How: nodeConditionsView, At: env.Now()}
		return await.Done()
	})
	if err != nil {
		return nil, err
	}
	return []cluster.Observation{*renewed, ready}, nil
}

func notReady(node *corev1.Node) string {
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

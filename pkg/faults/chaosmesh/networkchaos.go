package chaosmesh

import (
	"context"
	"fmt"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
)

// networkChaos is NetworkChaos between two pods.
type networkChaos struct {
	action     v1alpha1.NetworkChaosAction
	parameters v1alpha1.TcParameter
	// seen judges what probes found, in the light of how long an answer took before; empty words: the effect is not seen.
	seen func(found answers, before time.Duration) string
	// probes is how many are made at a look.
	probes int
	// queues are the kinds of queueing disciplines that the kernel must have.
	queues []string
}

// Kind implements chaosEffect.
func (networkChaos) Kind() string { return v1alpha1.KindNetworkChaos }

// OneShot implements chaosEffect.
func (networkChaos) OneShot() bool { return false }

// Spec implements chaosEffect.
func (n networkChaos) Spec(target chaosTarget) chaosmesh.Spec {
	peer := chaosmesh.Pods(target.Object.Namespace, target.Peer.Name)
	return v1alpha1.NetworkChaosSpec{
		PodSelector: chaosmesh.Pods(target.Object.Namespace, target.Object.Name), Action: n.action, Direction: v1alpha1.Both,
		Target: &peer, Duration: durationOf(deadline), TcParameter: n.parameters,
	}
}

// Preflight says what the kernels of the nodes lack.
func (n networkChaos) Preflight(ctx context.Context, env faults.Env) error {
	return haveQueues(ctx, env, n.queues...)
}

// haveQueues tries queueing disciplines on each node. Without one Chaos Mesh tries for ever, and every later fault of the pod hangs.
func haveQueues(ctx context.Context, env faults.Env, queues ...string) error {
	nodes, err := env.Machines.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		for _, queue := range queues {
			options := map[string]string{"netem": "netem delay 1ms", "prio": "prio", "tbf": "tbf rate 1mbit burst 10kb latency 10ms"}[queue]
			if _, err := env.Chaos.OnNode(ctx, node.Name, "unshare --net -- tc qdisc add dev lo root "+options); err != nil {
				return fmt.Errorf("the kernel of node %s cannot do it: it has no queueing discipline %s (module sch_%s): %w", node.Name, queue, queue,
					err)
			}
		}
	}
	return nil
}

// Before implements chaosEffect: the peer has to answer now, else its silence later would prove nothing.
func (n networkChaos) Before(ctx context.Context, env faults.Env, target *chaosTarget) error {
	const looks = 5
	found, err := probe(ctx, env, *target, looks)
	if err != nil {
		return err
	}
	if found.silent > 0 {
		return fmt.Errorf("pod %s does not reach pod %s before anything is done: %d of %d probes were not answered", target.Object.Name,
			target.Peer.Name, found.silent, looks)
	}
	target.RoundTrip = found.median()
	return nil
}

// Holds implements chaosEffect.
func (n networkChaos) Holds(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	found, err := probe(ctx, env, target, n.probes)
	if err != nil {
		return cluster.Observation{}, err
	}
	words := n.seen(found, target.RoundTrip)
	if words == "" {
		return cluster.Observation{}, faults.SeenInstead(
			"pod %s reaches pod %s as before: %d of %d probes were answered, within %v; before it took %v",
			target.Object.Name, target.Peer.Name, len(found.roundTrip), n.probes, found.median(), target.RoundTrip)
	}
	return cluster.Observation{What: words, How: probeHow, At: env.Now()}, nil
}

// Over implements chaosEffect: the peer answers as before.
func (n networkChaos) Over(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	found, err := probe(ctx, env, target, n.probes)
	if err != nil {
		return cluster.Observation{}, err
	}
	if words := n.seen(found, target.RoundTrip); words != "" {
		return cluster.Observation{}, fmt.Errorf("it is not over: %s", words)
	}
	return cluster.Observation{What: fmt.Sprintf("all of %d probes were answered", n.probes), How: probeHow, At: env.Now()}, nil
}

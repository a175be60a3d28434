package cluster

import (
	"context"
	"fmt"
	"time"
)

// Doing is an implementation of one action on a worker W, with a limit for how long its effect may take to show.
type Doing[W any] struct {
	Do    func(context.Context, W, *Evidence) error
	Limit time.Duration
}

// Doings are the actions that an implementation can do to its workers.
type Doings[W any] map[Action]Doing[W]

// Turn waits until nobody else acts on the cluster, and returns a function that lets others act.
type Turn func(context.Context) (end func(), err error)

// Find finds the worker of a name, and the state that it is in.
type Find[W any] func(ctx context.Context, name string) (W, Node, error)

// Do implements Cluster.Do.
func (d Doings[W]) Do(ctx context.Context, action Action, node string, turn Turn, find Find[W]) (Evidence, error) {
	doing, ok := d[action]
	if !ok {
		return Evidence{}, fmt.Errorf("unsupported action %q: expected one of %v", action, Actions())
	}
	return doing.On(ctx, action, node, turn, find)
}

// On does the action to a node: one at a time, with a time limit, and refused if it makes no sense in the node's state.
func (d Doing[W]) On(ctx context.Context, action Action, node string, turn Turn, find Find[W]) (Evidence, error) {
	if err := CheckNode(node); err != nil {
		return Evidence{}, err
	}
	end, err := turn(ctx)
	if err != nil {
		return Evidence{}, err
	}
	defer end()
	worker, state, err := find(ctx, node)
	if err != nil {
		return Evidence{}, err
	}
	if why := action.Refusal(state); why != "" {
		return Evidence{}, fmt.Errorf("%s of node %s: %s; nothing was changed", action, node, why)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.Limit, fmt.Errorf("the effect was not seen within %v", d.Limit))
	defer cancel()
	e := Evidence{Action: action, Node: node, Begun: time.Now()}
	if err := d.Do(ctx, worker, &e); err != nil {
		return e, fmt.Errorf("%s of node %s: %w", action, node, err)
	}
	return e, nil
}

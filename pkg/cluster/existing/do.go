package existing

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

const (
	// effectTimeout bounds the wait for an effect once the command has ended: machines boot and shut down meanwhile.
	effectTimeout = 5 * time.Minute
	// lookPause is between two looks: the commands and the API server belong to others.
	lookPause = 300 * time.Millisecond
)

// Where observations were made.
const (
	byCommand = "the user's command that looks at the machines"
	byLease   = "renewTime of the node's Lease in the API, several times"
)

// Do runs the user's command for the action. Its success proves nothing: the effect must be seen on the machine, and
// Kubernetes must hear from the node no more, or again.
func (c *Cluster) Do(ctx context.Context, action cluster.Action, node string) (cluster.Evidence, error) {
	command, ok := c.command(action)
	if !ok {
		return cluster.Evidence{}, fmt.Errorf("%s of node %s: context %s has no command for it; it has some for %v", action, node,
			c.options.Context, c.Can())
	}
	turn := func(context.Context) (func(), error) {
		c.acting.Lock()
		return c.acting.Unlock, nil
	}
	find := func(ctx context.Context, name string) (cluster.Node, cluster.Node, error) {
		before, err := c.machine(ctx, name)
		return before, before, err
	}
	doing := cluster.Doing[cluster.Node]{Limit: command.bound() + effectTimeout}
	doing.Do = func(ctx context.Context, before cluster.Node, e *cluster.Evidence) error {
		if err := c.MayAct(ctx); err != nil {
			return fmt.Errorf("nothing was done: %w", err)
		}
		if _, err := command.run(ctx, node); err != nil {
			return err
		}
		if err := c.awaitMachine(ctx, e, before); err != nil {
			return fmt.Errorf("the command ended well, and yet: %w", err)
		}
		return c.awaitKubernetes(ctx, e)
	}
	return doing.On(ctx, action, node, turn, find)
}

func (c *Cluster) command(action cluster.Action) (Command, bool) {
	if c.options.Actions == nil {
		return Command{}, false
	}
	command, ok := c.options.Actions.Actions[string(action)]
	return command, ok
}

// machine is one worker as it is.
func (c *Cluster) machine(ctx context.Context, name string) (cluster.Node, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return cluster.Node{}, err
	}
	var names []string
	for _, node := range nodes {
		if node.Name == name {
			return node, nil
		}
		names = append(names, node.Name)
	}
	return cluster.Node{}, c.noWorker(name, names)
}

func (c *Cluster) noWorker(name string, names []string) error {
	if c.unconfirmed(name) {
		return fmt.Errorf("node %s of context %s joined, or was recreated, after it was confirmed which nodes may be disturbed: it is left alone",
			name, c.options.Context)
	}
	return fmt.Errorf("context %s has no worker %q: expected one of %s", c.options.Context, name, strings.Join(names, ", "))
}

// awaitMachine waits until the machine is as the action makes it.
func (c *Cluster) awaitMachine(ctx context.Context, e *cluster.Evidence, before cluster.Node) error {
	what := fmt.Sprintf("%s is in effect", e.Action)
	if ended, undoes := e.Action.Undoes(); undoes {
		what = fmt.Sprintf("%s is not in effect any more", ended)
	}
	return e.AwaitEvery(ctx, lookPause, what, byCommand, func(ctx context.Context) (bool, string) {
		now, err := c.machine(ctx, e.Node)
		if err != nil {
			return false, err.Error()
		}
		if e.Action.Achieved(before, now) {
			return true, ""
		}
		return false, fmt.Sprintf("%+v", now)
	})
}

// awaitKubernetes waits until the node's kubelet has missed two renewals of its lease, or has renewed it again.
func (c *Cluster) awaitKubernetes(ctx context.Context, e *cluster.Evidence) error {
	lease := cluster.NodeLease{Node: e.Node}
	what, seen := "kubelet renews the node's lease", lease.Renewed
	if _, undoes := e.Action.Undoes(); !undoes {
		what, seen = "kubelet renews the node's lease no more", lease.Silent
	}
	return e.AwaitEvery(ctx, lookPause, what, byLease, func(ctx context.Context) (bool, string) {
		if err := lease.Look(ctx, c.client, time.Now); err != nil {
			return false, err.Error()
		}
		if seen() {
			return true, ""
		}
		return false, lease.String()
	})
}

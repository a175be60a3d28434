//go:build linux

package kind

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

const (
	kubeletName = "kubelet"
	// actionTimeout bounds each action but a shutdown: within it the effect is seen, or the action failed.
	actionTimeout = 60 * time.Second
	// shutdownGrace is what the node's own services may take to end.
	shutdownGrace   = 60 * time.Second
	shutdownTimeout = shutdownGrace + 30*time.Second
)

// Where observations of kind's nodes were made.
const (
	byEngine  = "state of the container, in the container engine"
	byNetwork = "networks of the container, in the container engine"
	byProc    = "PID and start time in /proc"
	byLink    = linkName + " in the node's network namespace"
)

// worker is a node under an action, as it was before.
type worker struct {
	*Cluster
	container
	engine    Engine
	processes []process
	state     cluster.Node
}

func actions() cluster.Doings[*worker] {
	return cluster.Doings[*worker]{
		cluster.PowerOff:     {Do: powerOff, Limit: actionTimeout},
		cluster.PowerOn:      {Do: powerOn, Limit: actionTimeout},
		cluster.Shutdown:     {Do: shutdown, Limit: shutdownTimeout},
		cluster.Freeze:       {Do: freeze, Limit: actionTimeout},
		cluster.Thaw:         {Do: thaw, Limit: actionTimeout},
		cluster.Isolate:      {Do: isolate, Limit: actionTimeout},
		cluster.Rejoin:       {Do: rejoin, Limit: actionTimeout},
		cluster.KubeletStop:  {Do: kubeletStop, Limit: actionTimeout},
		cluster.KubeletStart: {Do: kubeletStart, Limit: actionTimeout},
	}
}

// Do acts on a node and returns only when the effect was observed from outside. Actions wait for each other.
func (c *Cluster) Do(ctx context.Context, name cluster.Action, node string) (cluster.Evidence, error) {
	turn := func(ctx context.Context) (func(), error) { return c.provider.change(ctx, c.record.Name) }
	find := func(ctx context.Context, name string) (*worker, cluster.Node, error) {
		w, err := c.worker(ctx, name)
		if err != nil {
			return nil, cluster.Node{}, err
		}
		return w, w.state, nil
	}
	return actions().Do(ctx, name, node, turn, find)
}

func (c *Cluster) worker(ctx context.Context, name string) (*worker, error) {
	workers, err := c.workers(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, w := range workers {
		if w.name() == name {
			return &worker{c, w, c.provider.Engine, descendants(w.State.Pid), c.look(w)}, nil
		}
		names = append(names, w.name())
	}
	return nil, fmt.Errorf("the kind cluster %s has no worker %q: expected one of %s", c.record.Name, name, strings.Join(names, ", "))
}

// engineDoes calls the container engine with the node as the last argument.
func (w *worker) engineDoes(ctx context.Context, args ...string) error {
	_, err := w.engine.run(ctx, append(args, w.name())...)
	return err
}

// awaitEngine waits until the container engine says something of the node.
func (w *worker) awaitEngine(ctx context.Context, e *cluster.Evidence, what, how string, is func(container) bool) error {
	return e.Await(ctx, what, how, func(ctx context.Context) (bool, string) {
		now, err := w.engine.inspect(ctx, w.name())
		if err != nil {
			return false, err.Error()
		}
		return is(now), fmt.Sprintf("%+v, networks %v", now.State, now.NetworkSettings.Networks)
	})
}

// powerOff cuts the cable before it kills: the sockets of dying processes would otherwise tell their peers.
func powerOff(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if w.connected() {
		if err := w.engineDoes(ctx, "network", "disconnect", "--force", networkName); err != nil {
			return err
		}
	}
	if err := w.awaitEngine(ctx, e, "the node's cable is gone", byNetwork, func(now container) bool { return !now.connected() }); err != nil {
		return err
	}
	if w.state.Frozen { // engines refuse to kill what is paused; with the cable cut nobody hears of the moment in between
		if err := w.engineDoes(ctx, "unpause"); err != nil {
			return err
		}
	}
	if err := w.engineDoes(ctx, "kill"); err != nil {
		return err
	}
	return w.awaitEnd(ctx, e)
}

func (w *worker) awaitEnd(ctx context.Context, e *cluster.Evidence) error {
	err := e.Await(ctx, "no process of the node is left", byProc+", of all that there were", func(context.Context) (bool, string) {
		left := slices.DeleteFunc(slices.Clone(w.processes), func(p process) bool { return !p.alive() })
		return len(left) == 0, fmt.Sprintf("%d processes", len(left))
	})
	if err != nil {
		return err
	}
	return w.awaitEngine(ctx, e, "the node's init is gone", byEngine, func(now container) bool { return !now.State.Running })
}

func powerOn(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if !w.connected() {
		if err := w.engineDoes(ctx, "network", "connect", networkName); err != nil {
			return err
		}
	}
	if err := w.engineDoes(ctx, "start"); err != nil {
		return err
	}
	if err := w.awaitEngine(ctx, e, "the node's cable is plugged in", byNetwork, container.connected); err != nil {
		return err
	}
	if err := w.awaitEngine(ctx, e, "the node runs with a new boot ID", "when the container was started, in the container engine",
		func(now container) bool {
			return now.State.Running && now.State.StartedAt != w.State.StartedAt
		}); err != nil {
		return err
	}
	if err := w.awaitKubelet(ctx, e, true, "kubelet runs"); err != nil {
		return err
	}
	if err := w.loadMissing(ctx, w.name()); err != nil {
		return err
	}
	return w.route(ctx)
}

// shutdown lets the node's services end in their own time, kubelet among them.
func shutdown(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := w.engineDoes(ctx, "stop", "--time", fmt.Sprint(int(shutdownGrace/time.Second))); err != nil {
		return err
	}
	return w.awaitEnd(ctx, e)
}

func freeze(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := w.engineDoes(ctx, "pause"); err != nil {
		return err
	}
	return w.awaitEngine(ctx, e, "every process of the node has stopped", byEngine, func(now container) bool { return now.State.Paused })
}

func thaw(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := w.engineDoes(ctx, "unpause"); err != nil {
		return err
	}
	return w.awaitEngine(ctx, e, "the processes of the node continue", byEngine,
		func(now container) bool { return now.State.Running && !now.State.Paused })
}

// isolate cuts the link inside the node. The kernel forgets its routes, so they are kept on this machine first.
func isolate(ctx context.Context, w *worker, e *cluster.Evidence) error {
	routes, err := routesByLink(w.State.Pid)
	if err != nil {
		return err
	}
	if err := w.directory.changeNodes(func(s nodeState) { s.Routes[w.name()] = routes }); err != nil {
		return err
	}
	if err := cut(w.State.Pid); err != nil {
		return err
	}
	if err := w.awaitLink(ctx, e, false, "the node's link is down"); err != nil {
		return err
	}
	return e.Await(ctx, "the node's init keeps running", byProc, func(context.Context) (bool, string) {
		return len(w.processes) > 0 && w.processes[0].alive(), fmt.Sprintf("process %d is gone", w.State.Pid)
	})
}

func rejoin(ctx context.Context, w *worker, e *cluster.Evidence) error {
	known, err := w.directory.loadNodes()
	if err != nil {
		return err
	}
	if err := restoreLink(w.State.Pid, known.Routes[w.name()]); err != nil {
		return err
	}
	return w.awaitLink(ctx, e, true, "the node's link is up")
}

func (w *worker) awaitLink(ctx context.Context, e *cluster.Evidence, want bool, what string) error {
	return e.Await(ctx, what, byLink, func(context.Context) (bool, string) {
		up, err := linkUp(w.State.Pid)
		return err == nil && up == want, fmt.Sprintf("up %v, %v", up, err)
	})
}

func kubeletStop(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if _, err := w.engine.run(ctx, "exec", w.name(), "systemctl", "stop", kubeletName); err != nil {
		return err
	}
	if err := w.awaitKubelet(ctx, e, false, "kubelet does not run"); err != nil {
		return err
	}
	before := slices.DeleteFunc(slices.Clone(w.processes), func(p process) bool { return p.name == kubeletName })
	what := fmt.Sprintf("the %d other processes of the node keep running", len(before))
	return e.Await(ctx, what, byProc, func(context.Context) (bool, string) {
		gone := slices.DeleteFunc(slices.Clone(before), process.alive)
		// Processes of probes and of the engine come and go; containers hang on their shims.
		gone = slices.DeleteFunc(gone, func(p process) bool { return !strings.HasPrefix(p.name, "containerd-shim") })
		return len(gone) == 0, fmt.Sprintf("gone are %v", gone)
	})
}

func kubeletStart(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if _, err := w.engine.run(ctx, "exec", w.name(), "systemctl", "start", kubeletName); err != nil {
		return err
	}
	return w.awaitKubelet(ctx, e, true, "kubelet runs")
}

// awaitKubelet looks for the process itself: what the node's init says about its services is not seen from outside.
func (w *worker) awaitKubelet(ctx context.Context, e *cluster.Evidence, want bool, what string) error {
	return e.Await(ctx, what, "names of the processes below the node's init in /proc", func(ctx context.Context) (bool, string) {
		now, err := w.engine.inspect(ctx, w.name())
		if err != nil {
			return false, err.Error()
		}
		runs := slices.ContainsFunc(descendants(now.State.Pid), func(p process) bool { return p.name == kubeletName })
		return runs == want, fmt.Sprintf("kubelet runs: %v", runs)
	})
}

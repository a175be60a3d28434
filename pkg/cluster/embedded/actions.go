//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
)

// Time limits of the actions: within them the effect is seen, or the action failed.
const (
	actionTimeout   = 30 * time.Second
	shutdownTimeout = shutdownGrace + 60*time.Second
	// endTimeout is how long a machine may take to end once its services have.
	endTimeout = 10 * time.Second
)

// worker is a node under an action: what was recorded of it and what can be seen of it now.
type worker struct {
	cluster *Cluster
	record  machineRecord
	control int // PID of the control plane's init
	state   cluster.Node
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

// Do acts on a node and returns only when the effect was observed from outside.
func (c *Cluster) Do(ctx context.Context, name cluster.Action, node string) (cluster.Evidence, error) {
	turn := func(ctx context.Context) (func(), error) { return c.provider.change(ctx, c.record.Name) }
	find := func(_ context.Context, name string) (*worker, cluster.Node, error) {
		w, err := c.worker(name)
		if err != nil {
			return nil, cluster.Node{}, err
		}
		return w, w.state, nil
	}
	return actions().Do(ctx, name, node, turn, find)
}

func (c *Cluster) worker(name string) (*worker, error) {
	names := c.directory.machineNames()
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("cluster %s has no node %q: expected one of %s", c.record.Name, name, strings.Join(names, ", "))
	}
	record, err := c.directory.loadMachine(name)
	if err != nil {
		return nil, err
	}
	control, err := c.controlPID()
	if err != nil {
		return nil, err
	}
	return &worker{cluster: c, record: record, control: control, state: c.look(record, control)}, nil
}

// powerOff takes the link down before it kills: the sockets of dying processes would otherwise tell their peers. The cable itself
// goes last, so that rejoin can undo a power-off that ended with the harness before anything was killed.
func powerOff(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := network.Cut(w.control, w.record.Number); err != nil && !network.IsUnplugged(err) {
		return err
	}
	if err := w.awaitLink(ctx, e, "the node's link is down", network.Down, network.Absent); err != nil {
		return err
	}
	if err := w.cluster.cgroups.Kill(ctx, w.record.Spec.Cgroup); err != nil {
		return err
	}
	if err := w.awaitEnd(ctx, e); err != nil {
		return err
	}
	if err := network.Unplug(w.control, w.record.Number); err != nil {
		return err
	}
	return w.awaitLink(ctx, e, "the node's cable is gone", network.Absent)
}

func (w *worker) awaitEnd(ctx context.Context, e *cluster.Evidence) error {
	err := e.Await(ctx, "no process of the node is left", "cgroup.procs of the node's cgroups in every hierarchy",
		func(context.Context) (bool, string) {
			left := w.cluster.cgroups.Processes(w.record.Spec.Cgroup)
			return len(left) == 0, fmt.Sprintf("processes %v", left)
		})
	if err != nil {
		return err
	}
	return e.Await(ctx, "the node's init is gone", "PID and start time in /proc", func(context.Context) (bool, string) {
		return !w.record.Process.Alive(), fmt.Sprintf("process %d", w.record.Process.PID)
	})
}

// awaitLink waits until the node's cable is in one of the states.
func (w *worker) awaitLink(ctx context.Context, e *cluster.Evidence, what string, want ...network.LinkState) error {
	return e.Await(ctx, what, "link "+network.Cable(w.record.Number)+" at the cluster's bridge", func(context.Context) (bool, string) {
		state, err := network.Link(w.control, w.record.Number)
		return err == nil && slices.Contains(want, state), fmt.Sprintf("link %s, %v", state, err)
	})
}

func powerOn(ctx context.Context, w *worker, e *cluster.Evidence) error {
	before := w.state.BootID
	booted, err := w.cluster.bootWorker(ctx, w.record)
	if err != nil {
		return err
	}
	w.record = booted
	if err := w.awaitLink(ctx, e, "the node's cable is plugged in", network.Connected); err != nil {
		return err
	}
	var status machine.Status
	err = e.Await(ctx, "the node runs with a new boot ID", "status of its init", func(context.Context) (bool, string) {
		status, err = machine.NewRemote(booted.Process.PID).Status(ctx)
		return err == nil && status.BootID != before, fmt.Sprintf("boot ID %q, %v", status.BootID, err)
	})
	if err != nil {
		return err
	}
	return w.cluster.loadMissing(ctx, w.record)
}

// shutdown has kubelet end the pods within their grace periods, then the services, then the machine.
func shutdown(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := machine.NewRemote(w.record.Process.PID).Shutdown(ctx); err != nil {
		return err
	}
	e.Observations = append(e.Observations, cluster.Observation{What: "kubelet let go of its shutdown lock and the node's services ended",
		How: "answer of the node's init", At: time.Now()})
	orderly, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if err := w.awaitEnd(orderly, e); err != nil {
		// A container that outlives its pod's grace period ends with the machine.
		if err := w.cluster.cgroups.Kill(ctx, w.record.Spec.Cgroup); err != nil {
			return err
		}
		if err := w.awaitEnd(ctx, e); err != nil {
			return err
		}
	}
	w.record.Orderly = true
	return errors.Join(network.Unplug(w.control, w.record.Number), w.cluster.directory.saveMachine(w.record))
}

func freeze(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := w.cluster.cgroups.Freeze(ctx, w.record.Spec.Cgroup); err != nil {
		return err
	}
	return w.awaitFrozen(ctx, e, true, "every process of the node has stopped")
}

func thaw(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := w.cluster.cgroups.Thaw(ctx, w.record.Spec.Cgroup); err != nil {
		return err
	}
	return w.awaitFrozen(ctx, e, false, "the processes of the node continue")
}

func (w *worker) awaitFrozen(ctx context.Context, e *cluster.Evidence, want bool, what string) error {
	return e.Await(ctx, what, "freezer of the node's cgroup", func(context.Context) (bool, string) {
		frozen, err := w.cluster.cgroups.Frozen(w.record.Spec.Cgroup)
		return err == nil && frozen == want, fmt.Sprintf("frozen %v, %v", frozen, err)
	})
}

func isolate(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := network.Cut(w.control, w.record.Number); err != nil {
		return err
	}
	if err := w.awaitLink(ctx, e, "the node's link is down", network.Down); err != nil {
		return err
	}
	if err := w.awaitCarrier(ctx, e, false, "the node has no carrier"); err != nil {
		return err
	}
	return e.Await(ctx, "the node's init keeps running", "PID and start time in /proc", func(context.Context) (bool, string) {
		return w.record.Process.Alive(), fmt.Sprintf("process %d is gone", w.record.Process.PID)
	})
}

func rejoin(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := network.Mend(w.control, w.record.Number); err != nil {
		return err
	}
	if err := w.awaitLink(ctx, e, "the node's link is up", network.Connected); err != nil {
		return err
	}
	return w.awaitCarrier(ctx, e, true, "the node has a carrier")
}

func (w *worker) awaitCarrier(ctx context.Context, e *cluster.Evidence, want bool, what string) error {
	return e.Await(ctx, what, "eth0 in the node's network namespace", func(context.Context) (bool, string) {
		carrier, err := network.Carrier(w.record.Process.PID)
		return err == nil && carrier == want, fmt.Sprintf("carrier %v, %v", carrier, err)
	})
}

func kubeletStop(ctx context.Context, w *worker, e *cluster.Evidence) error {
	pods := filepath.Join(w.record.Spec.Cgroup, "kubepods")
	before := w.cluster.cgroups.Processes(pods)
	if err := machine.NewRemote(w.record.Process.PID).Stop(ctx, kubeletService); err != nil {
		return err
	}
	if err := w.awaitKubelet(ctx, e, false, "kubelet does not run"); err != nil {
		return err
	}
	what := fmt.Sprintf("the %d processes of the node's pods keep running", len(before))
	return e.Await(ctx, what, "cgroup.procs of the pods' cgroups", func(context.Context) (bool, string) {
		now := w.cluster.cgroups.Processes(pods)
		gone := slices.DeleteFunc(slices.Clone(before), func(pid int) bool { return slices.Contains(now, pid) })
		return len(gone) == 0, fmt.Sprintf("gone are the processes %v", gone)
	})
}

func kubeletStart(ctx context.Context, w *worker, e *cluster.Evidence) error {
	if err := machine.NewRemote(w.record.Process.PID).Start(ctx, kubeletService); err != nil {
		return err
	}
	return w.awaitKubelet(ctx, e, true, "kubelet runs")
}

// awaitKubelet looks for the process itself: what init says about its services is not seen from outside.
func (w *worker) awaitKubelet(ctx context.Context, e *cluster.Evidence, want bool, what string) error {
	return e.Await(ctx, what, "command lines of the processes in the node's cgroups", func(context.Context) (bool, string) {
		runs := w.cluster.runs(w.record, kubeletService)
		return runs == want, fmt.Sprintf("kubelet runs: %v", runs)
	})
}

// runs reports whether a process with that program's name is among the node's.
func (c *Cluster) runs(m machineRecord, program string) bool {
	return slices.ContainsFunc(c.cgroups.Processes(m.Spec.Cgroup), func(pid int) bool {
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		name, _, _ := strings.Cut(string(command), "\x00")
		return err == nil && name == program
	})
}

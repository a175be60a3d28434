//go:build linux

package embedded

import (
	"context"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/storage"
)

// askTimeout is how long status waits for one answer: what does not answer is shown as such.
const askTimeout = 2 * time.Second

// Status is all that `cluster status` shows.
type Status struct {
	Name       string            `json:"name"`
	State      string            `json:"state"` // running, starting, or stopped and why
	Created    time.Time         `json:"created"`
	Server     string            `json:"server"`
	Kubeconfig string            `json:"kubeconfig"`
	Timing     cluster.Timing    `json:"timing"`
	Capacity   Capacity          `json:"capacity"` // of each node
	Components map[string]string `json:"components"`
	Images     []string          `json:"images"`
	Shared     string            `json:"shared"` // directory of the host behind shared volumes
	Memory     int64             `json:"memory"` // PSS of all machines in bytes
	Machines   []MachineStatus   `json:"machines"`
}

// MachineStatus is one machine: the control plane first, then the workers.
type MachineStatus struct {
	cluster.Node
	Ready        string                  `json:"ready"`        // what Kubernetes thinks of the node; empty for the control plane
	Memory       int64                   `json:"memory"`       // PSS in bytes
	Disk         string                  `json:"disk"`         // on the host; hostPath /x of a pod is below it, also while the node is off
	LocalVolumes string                  `json:"localVolumes"` // on the host; what the storage class local keeps on this node
	Logs         string                  `json:"logs"`         // directory on the host
	ShutDown     bool                    `json:"shutDown"`     // off by an orderly shutdown
	Services     []machine.ServiceStatus `json:"services,omitempty"`
}

// Status looks at the cluster from outside and asks those of its programs that answer. It changes nothing and fails only if the files
// of the cluster cannot be read.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	status := Status{
		Name: c.record.Name, State: string(c.record.Phase), Created: c.record.Created, Timing: c.record.Timing, Capacity: c.record.Capacity,
		Kubeconfig: c.directory.kubeconfig(), Components: c.record.Components, Images: c.record.Images, Shared: c.directory.shared(),
	}
	control, _ := c.controlPID() // gone: the state says so
	status.State = c.state()
	if config, err := c.RESTConfig(); err == nil {
		status.Server = config.Host
	}
	ready := c.readiness(ctx)
	for _, name := range append([]string{controlPlane}, c.directory.machineNames()...) {
		m, err := c.directory.loadMachine(name)
		if absent(err) {
			continue // not recorded yet by a start that was interrupted
		}
		if err != nil {
			return status, err
		}
		machine := c.machineStatus(ctx, m, control)
		machine.Ready = ready[name]
		status.Memory += machine.Memory
		status.Machines = append(status.Machines, machine)
	}
	return status, nil
}

// state says in words how far the cluster has come, and whether its control plane runs.
func (c *Cluster) state() string {
	_, err := c.controlPID()
	switch {
	case err != nil:
		return "stopped" + c.rebooted()
	case c.record.Phase == starting:
		return "starting, or left by an interrupted start"
	default:
		return string(c.record.Phase)
	}
}

func (c *Cluster) machineStatus(ctx context.Context, m machineRecord, control int) MachineStatus {
	name := m.Spec.Name
	status := MachineStatus{Node: c.look(m, control), Disk: c.directory.disk(name), Logs: c.directory.disk(name) + machine.LogDirectory,
		ShutDown: m.Orderly}
	status.Memory, _ = machine.PSS(c.cgroups.Processes(m.Spec.Cgroup)) // processes that end meanwhile have none
	if m.Number == 0 {
		status.Isolated, status.Address = false, controlAddress
	} else {
		status.LocalVolumes = c.directory.disk(name) + storage.NodeDirectory
	}
	if status.Power == cluster.On && !status.Frozen {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		if answer, err := machine.NewRemote(m.Process.PID).Status(ctx); err == nil {
			status.Services = answer.Services
		}
	}
	return status
}

// readiness asks the API server for the nodes; without an answer all are unknown.
func (c *Cluster) readiness(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client, err := c.client()
	if err != nil {
		return nil
	}
	return cluster.Readiness(ctx, client)
}

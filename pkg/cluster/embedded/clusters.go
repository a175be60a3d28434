//go:build linux

package embedded

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
)

// Settings are what can be chosen of an embedded cluster beside what a run needs.
type Settings struct {
	Capacity Capacity
	Port     int // of the API server on 127.0.0.1; 0 chooses a free one
	Traced   bool
}

// DefaultSettings are those of a cluster of which nobody chose any.
func DefaultSettings() Settings { return Settings{Capacity: DefaultCapacity()} }

// Entry returns the kind of embedded clusters for a program's list of kinds.
func Entry() cluster.Kind {
	settings := DefaultSettings()
	return cluster.Kind{
		Name: Kind, Title: "made on this machine, without Docker",
		AddFlags:    settings.addFlags,
		ClusterName: cluster.NamedHere,
		CheckRun:    func() error { return nil },
		Can: func() (cluster.Capabilities, error) {
			return cluster.Capabilities{Kind: Kind, Actions: cluster.Actions(), ChaosMesh: true}, nil
		},
		New:      func(env cluster.Environment) (cluster.Provider, error) { return NewClusters(settings, env) },
		Diagnose: func(_ context.Context, env cluster.Environment) cluster.Diagnosis { return diagnose(env) },
	}
}

func (s *Settings) addFlags(flags *pflag.FlagSet, use cluster.Use) {
	if use == cluster.ToMake || use == cluster.ToRun {
		s.addTraced(flags)
	}
	if use != cluster.ToMake {
		return
	}
	flags.IntVar(&s.Capacity.CPUs, "node-cpus", s.Capacity.CPUs, "embedded: CPUs that each node offers to pods")
	flags.IntVar(&s.Capacity.Memory, "node-memory", s.Capacity.Memory, "embedded: memory in MiB that each node offers to pods")
	flags.IntVar(&s.Port, "port", s.Port, "embedded: port of the API server on 127.0.0.1; 0 picks a free one")
}

// addTraced adds the flag that both uses have which may make a cluster.
func (s *Settings) addTraced(flags *pflag.FlagSet) {
	const name = "trace-components"
	if flags.Lookup(name) == nil {
		flags.BoolVar(&s.Traced, name, false, "embedded: make a cluster whose API server, kubelets and containerds export spans of all that "+
			"they do, which runs keep and traces of them show")
	}
}

// Clusters are the embedded clusters as a run sees them.
type Clusters struct {
	*locks.Holds
	provider Provider
	settings Settings
}

var (
	_ cluster.Provider  = Clusters{}
	_ cluster.Exclusive = Clusters{}
	_ cluster.Guarded   = Clusters{}
	_ cluster.Lister    = Clusters{}
)

// NewClusters returns the embedded clusters of this user on this machine.
func NewClusters(settings Settings, env cluster.Environment) (Clusters, error) {
	provider, err := NewProvider(env.State, env.Cache, env.Progress)
	if err != nil {
		return Clusters{}, err
	}
	return Clusters{Holds: locks.NewHolds(provider.Locks()), provider: provider, settings: settings}, nil
}

// Kind implements cluster.Provider.
func (Clusters) Kind() string { return Kind }

// Hold refuses first what can never come to a cluster: without root none is made and none is used.
func (c Clusters) Hold(
	ctx context.Context, name string, by cluster.Holder, patience time.Duration, waiting func(cluster.Holder),
) (func(), error) {
	if err := CheckRoot(); err != nil {
		return nil, err
	}
	return c.Holds.Hold(ctx, name, by, patience, waiting)
}

// Make takes a running cluster only if it is what the run needs.
func (c Clusters) Make(ctx context.Context, spec cluster.Spec) (cluster.Cluster, bool, error) {
	started, err := c.provider.Up(ctx, Options{
		Name: spec.Name, Workers: spec.Workers, Timing: spec.Timing, Images: spec.Images, Capacity: c.settings.Capacity, Port: c.settings.Port,
		Traced: c.settings.Traced,
	})
	if err != nil {
		return nil, false, err
	}
	if !started.Already {
		return started.Cluster, true, nil
	}
	if c.settings.Traced && !started.Cluster.record.Traced {
		return nil, false, fmt.Errorf("the cluster %s that runs was made without --trace-components, so its components export no spans: take it "+
			"down with `sparkchaos cluster down --name %s`, or name another with --cluster-name", spec.Name, spec.Name)
	}
	if err := cluster.Reuse(ctx, started.Cluster, spec, Kind); err != nil {
		return nil, false, err
	}
	return started.Cluster, false, nil
}

// Open implements cluster.Provider.
func (c Clusters) Open(name string) (cluster.Cluster, error) {
	opened, err := c.provider.Open(name)
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// Names implements cluster.Provider.
func (c Clusters) Names() ([]string, error) { return c.provider.Names() }

// Remove implements cluster.Provider.
func (c Clusters) Remove(ctx context.Context, name string) (bool, error) {
	return c.provider.Down(ctx, name)
}

// ActOn implements cluster.Guarded.
func (c Clusters) ActOn(ctx context.Context, name, _ string) (func(), error) { return c.Act(ctx, name) }

// Summary implements cluster.Lister.
func (c Clusters) Summary(_ context.Context, name string) cluster.Summary {
	return c.provider.Summary(name)
}

func diagnose(env cluster.Environment) cluster.Diagnosis {
	provider, err := NewProvider(env.State, env.Cache, nil)
	if err != nil {
		return cluster.Diagnosis{Lacks: err}
	}
	d := cluster.Diagnosis{Lacks: provider.Lacks()}
	if len(missingPrograms()) > 0 {
		d.Remedies = append(d.Remedies, cluster.InstallPackages)
	}
	if _, err := provider.components(); err != nil {
		d.Remedies = append(d.Remedies, cluster.BuildComponents)
	}
	if CheckRoot() != nil {
		d.Notes = append(d.Notes, rootlessNote(os.DirFS("/"), os.Geteuid(), exec.LookPath))
	}
	return d
}

// Show implements cluster.Own.
func (c *Cluster) Show(ctx context.Context) (cluster.Status, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return cluster.Status{}, err
	}
	shown := cluster.Status{
		Document: s, Header: []string{"Machine", "Power", "Link", "Ready", "Address", "MiB", "Processes", "Restarts", "Disk"},
	}
	shown.Add("cluster", "%s: %s, since %s", s.Name, s.State, s.Created.Format(time.DateTime))
	shown.Add("API server", "%s, kubeconfig %s", s.Server, s.Kubeconfig)
	shown.Add("timing", "%v", s.Timing)
	shown.Add("capacity", "each node offers %d CPUs and %d MiB to pods", s.Capacity.CPUs, s.Capacity.Memory)
	shown.Add("memory", "%d MiB in all", s.Memory>>20)
	shown.Add("volumes", "shared ones in %s", s.Shared)
	for _, m := range s.Machines {
		shown.Nodes = append(shown.Nodes, []string{
			m.Name, m.PowerText(m.ShutDown, m.Ready), m.LinkText(), cluster.OrDash(m.Ready), m.Address,
			fmt.Sprint(m.Memory >> 20), fmt.Sprint(m.Processes), m.restarts(), m.Disk,
		})
	}
	return shown, nil
}

// restarts names the services that init had to start again.
func (m MachineStatus) restarts() string {
	var restarted []string
	for _, service := range m.Services {
		if service.Restarts > 0 {
			restarted = append(restarted, fmt.Sprintf("%s %d (%s)", service.Name, service.Restarts, service.LastExit))
		}
	}
	return cluster.OrDash(strings.Join(restarted, ", "))
}

// LogFiles implements cluster.Own.
func (c *Cluster) LogFiles() ([]cluster.Log, error) {
	logs, err := c.Logs()
	all := make([]cluster.Log, 0, len(logs))
	for _, log := range logs {
		all = append(all, log)
	}
	return all, err
}

// Of reports whether it is the log of a node's kubelet, which the node's name alone means.
func (l Log) Of(node string) bool { return node == l.Machine && l.Service == "kubelet" }

//go:build linux

// Package embedded is a real Kubernetes cluster on one Linux machine, without Docker and without an image registry:
// the control plane and each node are machines of their own (package machine) that run the components built from
// package registries. Its state is on disk, so any later process can continue with it.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/cgroup"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/machine"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/storage"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
)

// Main runs this process as what the package started it for: a machine's init, or a service of the control plane. The
// main function of every program that makes clusters, tests included, calls it first and exits with the code if ok.
func Main(args []string) (code int, ok bool) {
	if err := noteMain(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	if machine.IsInit(args) {
		return machine.Init(), true
	}
	kubeconfig, ok := isProvisioner()
	if !ok {
		return 0, false
	}
	if err := storage.Run(context.Background(), kubeconfig); err != nil {
		fmt.Fprintln(os.Stderr, "volume provisioner:", err)
		return 1, true
	}
	return 0, true
}

// Kind names the kind of these clusters, on the command line and in records.
const Kind = "embedded"

// Provider makes, finds and removes clusters.
type Provider struct {
	State      string // directory of what runs (paths.State)
	Cache      string // directory of what can be built again (paths.Cache)
	Executable string // of this program: the machines' init
	Progress   func(string)
}

// NewProvider returns the provider for this program. Progress takes one line at a time; nil means silence.
func NewProvider(state, cache string, progress func(string)) (Provider, error) {
	executable, err := os.Executable()
	if err != nil {
		return Provider{}, fmt.Errorf("find this program's own file: %w", err)
	}
	if progress == nil {
		progress = func(string) {}
	}
	return Provider{State: state, Cache: cache, Executable: executable, Progress: progress}, nil
}

// Options describe a new cluster.
type Options struct {
	Name     string
	Workers  int
	Timing   cluster.Timing
	Capacity Capacity
	Port     int      // of the API server on 127.0.0.1; 0 chooses a free one
	Images   []string // archives for all nodes, beside pause and toolbox
	Traced   bool     // the components export spans; see ListenForSpans
}

// Cluster is a running cluster. It holds no resource: all of it is on disk and in the machines.
type Cluster struct {
	provider  Provider
	directory directory
	record    record
	cgroups   cgroup.Host
	client    func() (kubernetes.Interface, error)
}

var (
	_ cluster.Own              = (*Cluster)(nil)
	_ cluster.ControlPlaneHost = (*Cluster)(nil)
	_ cluster.LogKeeper        = (*Cluster)(nil)
	_ cluster.Versioned        = (*Cluster)(nil)
	_ cluster.Traced           = (*Cluster)(nil)
)

// Locks are those of the clusters that the provider knows.
func (p Provider) Locks() locks.Locks { return locks.In(p.State, Kind) }

// change waits until no other process changes the cluster.
func (p Provider) change(ctx context.Context, name string) (done func(), err error) {
	return p.Locks().Change(ctx, name, func() { p.Progress("waiting for another sparkchaos that works on cluster " + name) })
}

// Open finds a cluster that was made before, running or not.
func (p Provider) Open(name string) (*Cluster, error) {
	if err := cluster.CheckName(name); err != nil {
		return nil, err
	}
	d := clusterDirectory(p.State, name)
	r, err := d.load()
	if absent(err) && !d.exists() {
		return nil, &cluster.NotFoundError{Kind: Kind, Name: name, State: p.State}
	}
	if absent(err) {
		return nil, fmt.Errorf("the cluster %s has no state file: `sparkchaos cluster down --name %s` removes what is left of it: %w", name, name,
			err)
	}
	if err != nil {
		return nil, err
	}
	return p.open(d, r)
}

func (p Provider) open(d directory, r record) (*Cluster, error) {
	cgroups, err := cgroup.Of("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	c := &Cluster{provider: p, directory: d, record: r, cgroups: cgroups}
	c.client = sync.OnceValues(func() (kubernetes.Interface, error) {
		config, err := c.RESTConfig()
		if err != nil {
			return nil, err
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("reach the API server of cluster %s: %w", r.Name, err)
		}
		return client, nil
	})
	return c, nil
}

// Names returns the names of all clusters on this machine, half-made ones too.
func (p Provider) Names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(p.State, "clusters"))
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the clusters: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && cluster.CheckName(entry.Name()) == nil { // anything else is none of ours
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// CheckRoot reports whether this process may make machines at all.
func CheckRoot() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("the embedded cluster needs root, this is user %d: run it with sudo (its namespaces keep the host untouched)",
			os.Geteuid())
	}
	return nil
}

// checkHost says everything that keeps this host from running machines.
func checkHost() error {
	return errors.Join(append([]error{CheckRoot()}, missingPrograms()...)...)
}

// Name is the cluster's name on this machine.
func (c *Cluster) Name() string { return c.record.Name }

// Created is when the cluster was made.
func (c *Cluster) Created() time.Time { return c.record.Created }

// Can returns the actions: all of them.
func (c *Cluster) Can() []cluster.Action { return cluster.Actions() }

// StorageClasses names the cluster's storage classes.
func (c *Cluster) StorageClasses() cluster.StorageClasses { return classes() }

// Timing returns the knobs with which the cluster was made.
func (c *Cluster) Timing() cluster.Timing { return c.record.Timing }

// Components returns the versions of the programs that the cluster runs, by name.
func (c *Cluster) Components() map[string]string { return c.record.Components }

// Kubeconfig returns the admin's kubeconfig.
func (c *Cluster) Kubeconfig() ([]byte, error) {
	content, err := os.ReadFile(c.directory.kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of cluster %s: %w", c.record.Name, err)
	}
	return content, nil
}

// RESTConfig gives access to the API server as the cluster's admin.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	content, err := c.Kubeconfig()
	if err != nil {
		return nil, err
	}
	config, err := cluster.AdminConfig(content)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of cluster %s: %w", c.record.Name, err)
	}
	return config, nil
}

// components finds what was built before.
func (p Provider) components() (components.Set, error) { return components.Locate(p.Cache) }

// build returns the components, and builds first what the cache lacks: that takes minutes, once per machine.
func (p Provider) build(ctx context.Context) (components.Set, error) {
	if set, err := p.components(); err == nil {
		return set, nil
	}
	if err := p.parts().Prepare(ctx, os.Getenv, parts.Wanted{}); err != nil {
		return components.Set{}, err
	}
	if set, err := p.components(); err == nil {
		return set, nil
	}
	source, err := components.Source("", p.Cache)
	if err != nil {
		return components.Set{}, err
	}
	lines := lineWriter(p.Progress)
	if err := components.Build(ctx, components.Options{Source: source, Cache: p.Cache, Progress: lines}); err != nil {
		return components.Set{}, err
	}
	return p.components()
}

// parts is how components that another machine built are received.
func (p Provider) parts() parts.Machine {
	return parts.Machine{
		Env: image.Env{Cache: p.Cache, Checkout: components.Checkout("")},
		Say: func(format string, args ...any) { p.Progress(fmt.Sprintf(format, args...)) },
	}
}

// lineWriter passes on each line that is written to it as a whole.
type lineWriter func(line string)

// Write implements io.Writer. Builders write whole lines.
func (w lineWriter) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		w(strings.TrimRight(line, "\n"))
	}
	return len(text), nil
}

// imageEnv is how archives are built or found.
func (p Provider) imageEnv() image.Env {
	return image.Env{Cache: p.Cache, Progress: func(step image.Progress) {
		if step.Warning != "" {
			p.Progress("building image: " + step.Stage + ": warning: " + step.Warning)
		} else if !step.Done {
			p.Progress("building image: " + step.Stage)
		}
	}}
}

// Lacks says everything that keeps this machine from having embedded clusters; nil if nothing does.
func (p Provider) Lacks() error {
	_, err := p.components()
	return errors.Join(checkHost(), err)
}

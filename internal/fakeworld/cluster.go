package fakeworld

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// KindName is the kind of clusters of fakes: what was judged on one cannot be taken for what a cluster did.
const KindName = "fake"

// fakeCluster is a world as the runner sees it.
type fakeCluster struct{ *World }

var (
	_ cluster.Cluster  = fakeCluster{}
	_ cluster.Provider = provider{}
	_ cluster.Puller   = provider{}
)

func (c fakeCluster) Name() string { return "c" }

func (c fakeCluster) Can() []cluster.Action {
	return []cluster.Action{cluster.PowerOff, cluster.PowerOn}
}

func (c fakeCluster) RESTConfig() (*rest.Config, error) { return rest.CopyConfig(c.config), nil }

func (c fakeCluster) Nodes(context.Context) ([]cluster.Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var nodes []cluster.Node
	for _, machine := range c.machines {
		nodes = append(nodes, machine.Node)
	}
	slices.SortFunc(nodes, func(a, b cluster.Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes, nil
}

func (c fakeCluster) Do(ctx context.Context, action cluster.Action, name string) (cluster.Evidence, error) {
	c.reach(ctx, fmt.Sprintf("%s begins", action))
	defer c.reach(ctx, fmt.Sprintf("%s has ended", action))
	began := time.Now()
	if err := c.power(action, name); err != nil {
		return cluster.Evidence{}, err
	}
	if action == cluster.PowerOff {
		c.kill(isOf(name))
	}
	seen := cluster.Observation{What: fmt.Sprintf("%s is done", action), How: "a fake says so", At: time.Now()}
	return cluster.Evidence{Action: action, Node: name, Begun: began, Observations: []cluster.Observation{seen}}, nil
}

func (c fakeCluster) power(action cluster.Action, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	machine := c.machines[name]
	if machine == nil || !slices.Contains(c.Can(), action) {
		return fmt.Errorf("nobody can %s %s", action, name)
	}
	if why := action.Refusal(machine.Node); why != "" {
		return errors.New(why)
	}
	machine.Node = cluster.Node{Name: name, Power: cluster.Off}
	if action == cluster.PowerOn {
		machine.boots++
		machine.Node = running(name, machine.boots)
	}
	return nil
}

func (c fakeCluster) Load(context.Context, string) error {
	return errors.New("fake nodes take no images")
}

func (c fakeCluster) Listen(ctx context.Context) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
}

func (c fakeCluster) MakeDirectory(ctx context.Context, path string) error {
	c.reach(ctx, "make "+path)
	return c.onDisks(func(disk string) error { return os.MkdirAll(filepath.Join(disk, path), 0o700) })
}

func (c fakeCluster) RemoveDirectory(ctx context.Context, path string) error {
	c.reach(ctx, "remove "+path)
	return c.onDisks(func(disk string) error { return os.RemoveAll(filepath.Join(disk, path)) })
}

func (c fakeCluster) onDisks(do func(disk string) error) error {
	disks, err := filepath.Glob(filepath.Join(c.disks, "*"))
	errs := []error{err}
	for _, disk := range disks {
		errs = append(errs, do(disk))
	}
	return errors.Join(errs...)
}

func (c fakeCluster) Disk(_ context.Context, node string) (fs.FS, error) {
	return os.DirFS(filepath.Join(c.disks, node)), nil
}

func (c fakeCluster) StorageClasses() cluster.StorageClasses {
	return cluster.StorageClasses{Shared: "shared", Local: "local"}
}

// Kind returns the kind of clusters whose only one the world is.
func (w *World) Kind() cluster.Kind {
	return cluster.Kind{
		Name: KindName, Title: "fakes",
		AddFlags:    func(*pflag.FlagSet, cluster.Use) {},
		ClusterName: cluster.NamedHere,
		CheckRun:    func() error { return nil },
		Can: func() (cluster.Capabilities, error) {
			return cluster.Capabilities{Kind: KindName, Actions: fakeCluster{}.Can()}, nil
		},
		New:      func(cluster.Environment) (cluster.Provider, error) { return w.Provider(), nil },
		Diagnose: func(context.Context, cluster.Environment) cluster.Diagnosis { return cluster.Diagnosis{} },
	}
}

// Provider returns the provider whose only cluster the world is.
func (w *World) Provider() cluster.Provider { return provider{w} }

// References implements cluster.Puller.
func (f provider) References() cluster.References {
	return cluster.References{Spark: "image", Pod: "image"}
}

// provider has one cluster, or none until a run asks for one.
type provider struct{ world *World }

func (f provider) Kind() string { return KindName }

func (f provider) Make(ctx context.Context, _ cluster.Spec) (c cluster.Cluster, made bool, err error) {
	f.world.reach(ctx, "make the cluster")
	if made = f.world.SetGone(false); made {
		f.world.reach(ctx, "has made the cluster")
	}
	return fakeCluster{f.world}, made, ctx.Err()
}

func (f provider) Open(string) (cluster.Cluster, error) {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if f.world.gone {
		return nil, cluster.ErrNotFound
	}
	return fakeCluster{f.world}, nil
}

func (f provider) Names() ([]string, error) { return []string{"c"}, nil }

func (f provider) Remove(ctx context.Context, _ string) (bool, error) {
	f.world.reach(ctx, "remove the cluster")
	return !f.world.SetGone(true), nil
}

// SetGone decides whether there is a cluster, and returns what was so before.
func (w *World) SetGone(gone bool) (before bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before, w.gone = w.gone, gone
	return before
}

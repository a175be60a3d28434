//go:build linux

package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/image"
)

// readyTimeout is how long all nodes may take to be Ready once kind has made them.
const readyTimeout = 3 * time.Minute

// Provider makes, finds and removes kind clusters on this machine.
type Provider struct {
	// State is sparkchaos' state directory.
	State string
	// Engine runs the nodes.
	Engine Engine
	// Progress is told in a line each what goes on.
	Progress func(line string)
}

// Options of a new cluster.
type Options struct {
	Name    string
	Workers int
	Timing  cluster.Timing
	// NodeImage is the image of the nodes. The engine must have it, or be able to pull it.
	NodeImage string
	// Images are archives that every node is to have.
	Images []string
}

// NotFound says that there is no cluster of that name.
type NotFound struct{ Name string }

func (e NotFound) Error() string {
	return fmt.Sprintf("there is no kind cluster %q of sparkchaos on this machine: `sparkchaos cluster up --cluster kind --name %s` makes it", e.Name, e.Name)
}

// Cluster is a kind cluster that sparkchaos made.
type Cluster struct {
	provider  Provider
	directory directory
	record    record     // as the cluster was made
	acting    sync.Mutex // held while something is done to nodes
}

var _ cluster.Cluster = (*Cluster)(nil)

// EngineOf returns the engine that runs a cluster which was made before; without a record of it the error is fs.ErrNotExist.
func EngineOf(state, name string) (Engine, error) {
	r, err := directoryOf(state, name).load()
	return r.Engine, err
}

// Open finds a cluster that was made before.
func (p Provider) Open(ctx context.Context, name string) (*Cluster, error) {
	d := directoryOf(p.State, name)
	r, err := d.load()
	if absent(err) {
		return nil, NotFound{name}
	}
	if err != nil {
		return nil, fmt.Errorf("kind cluster %s: %w", name, err)
	}
	nodes, err := p.Engine.nodes(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("kind cluster %s: %w", name, err)
	}
	if len(nodes) == 0 {
		return nil, NotFound{name}
	}
	return &Cluster{provider: p, directory: d, record: r}, nil
}

// Names returns the names of all kind clusters of sparkchaos, half-made ones too.
func (p Provider) Names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(p.State, "kind"))
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for kind clusters: %w", err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, nil
}

// Up makes a cluster, or returns the running one; made says which. What a failed start left is removed.
func (p Provider) Up(ctx context.Context, o Options) (c *Cluster, made bool, err error) {
	if err := cluster.CheckName(o.Name); err != nil {
		return nil, false, err
	}
	known, err := p.Open(ctx, o.Name)
	var missing NotFound
	switch {
	case err == nil && known.record.Running:
		return known, false, nil
	case err == nil:
		return nil, false, fmt.Errorf("the kind cluster %s is being made, or its start was interrupted: `sparkchaos cluster down --cluster kind --name %s` removes what there is of it", o.Name, o.Name)
	case !errors.As(err, &missing):
		return nil, false, err
	}
	others, err := p.Engine.nodes(ctx, o.Name)
	if err != nil {
		return nil, false, err
	}
	if len(others) > 0 {
		return nil, false, fmt.Errorf("a kind cluster %s exists that sparkchaos did not make (container %s and %d more): it is left alone; choose another name", o.Name, others[0].name(), len(others)-1)
	}
	c, err = p.make(ctx, o)
	if err != nil {
		_, left := p.Down(context.WithoutCancel(ctx), o.Name)
		return nil, false, errors.Join(fmt.Errorf("make the kind cluster %s: %w", o.Name, err), left)
	}
	return c, true, nil
}

func (p Provider) make(ctx context.Context, o Options) (*Cluster, error) {
	d := directoryOf(p.State, o.Name)
	c := &Cluster{provider: p, directory: d, record: record{
		Name: o.Name, Engine: p.Engine, Workers: o.Workers, Timing: o.Timing, NodeImage: o.NodeImage, Created: time.Now(),
	}}
	if err := c.pull(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(os.MkdirAll(d.shared(), 0o755), d.save(c.record)); err != nil {
		return nil, err
	}
	config, err := configuration(o, d.shared(), c.record.OwnNetwork)
	if err != nil {
		return nil, err
	}
	p.Progress("kind makes the nodes")
	if err := p.library().Create(o.Name,
		kindcluster.CreateWithV1Alpha4Config(config), kindcluster.CreateWithNodeImage(o.NodeImage),
		kindcluster.CreateWithKubeconfigPath(d.kubeconfig()),
		kindcluster.CreateWithDisplayUsage(false), kindcluster.CreateWithDisplaySalutation(false)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // kind's library knows no context
		return nil, context.Cause(ctx)
	}
	if err := c.finish(ctx, o.Images); err != nil {
		return nil, err
	}
	c.record.Running = true
	return c, d.save(c.record)
}

// pull gets the node image if the engine has not got it, and learns whether it brings a network.
func (c *Cluster) pull(ctx context.Context) error {
	engine, reference := c.provider.Engine, c.record.NodeImage
	if !engine.HasImage(ctx, reference) {
		c.provider.Progress("pulling " + reference)
		if _, err := engine.run(ctx, "pull", reference); err != nil {
			return fmt.Errorf("the node image cannot be had; where no registry can be reached, `sparkchaos kind build-node-image` makes one: %w", err)
		}
	}
	label, err := engine.imageLabel(ctx, reference, image.KindCNILabel)
	c.record.OwnNetwork = label == image.KindNoCNI
	return err
}

// finish makes of kind's nodes what sparkchaos needs: they stay off when they were switched off, have a network, images
// and volumes.
func (c *Cluster) finish(ctx context.Context, images []string) error {
	nodes, err := c.containers(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := c.provider.Engine.keepDown(ctx, node.name()); err != nil {
			return err
		}
	}
	if err := c.route(ctx); err != nil {
		return err
	}
	for _, archive := range images {
		if err := c.Load(ctx, archive); err != nil {
			return err
		}
	}
	if err := c.awaitReady(ctx); err != nil {
		return err
	}
	return c.RenewVolumes(ctx)
}

// Down removes a cluster that sparkchaos made, with its state; existed says whether there was anything.
func (p Provider) Down(_ context.Context, name string) (existed bool, err error) {
	d := directoryOf(p.State, name)
	if _, err := os.Stat(string(d)); absent(err) {
		return false, nil
	}
	// Without a record nothing was made yet: a cluster of the name is somebody else's.
	if _, err := d.load(); err == nil {
		if err := p.library().Delete(name, d.kubeconfig()); err != nil {
			return true, fmt.Errorf("remove the kind cluster %s: %w", name, err)
		}
	}
	if err := os.RemoveAll(string(d)); err != nil {
		return true, fmt.Errorf("remove the state of the kind cluster %s: %w", name, err)
	}
	return true, nil
}

// library is kind's own provider.
func (p Provider) library() *kindcluster.Provider {
	option := kindcluster.ProviderWithDocker()
	if p.Engine == Podman {
		option = kindcluster.ProviderWithPodman()
	}
	return kindcluster.NewProvider(option, kindcluster.ProviderWithLogger(quiet{}))
}

// Name is the cluster's name.
func (c *Cluster) Name() string { return c.record.Name }

// Workers is the number of its workers.
func (c *Cluster) Workers() int { return c.record.Workers }

// Timing returns the knobs with which the cluster was made.
func (c *Cluster) Timing() cluster.Timing { return c.record.Timing }

// NodeImage is the image that its nodes run.
func (c *Cluster) NodeImage() string { return c.record.NodeImage }

// Can returns the actions that can be done to its nodes: all.
func (*Cluster) Can() []cluster.Action { return cluster.Actions() }

// Kubeconfig is the admin's.
func (c *Cluster) Kubeconfig() ([]byte, error) {
	content, err := os.ReadFile(c.directory.kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of the kind cluster %s: %w", c.record.Name, err)
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
		return nil, fmt.Errorf("kubeconfig of the kind cluster %s: %w", c.record.Name, err)
	}
	return config, nil
}

func (c *Cluster) client() (kubernetes.Interface, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// containers returns the nodes, the control plane's too.
func (c *Cluster) containers(ctx context.Context) ([]container, error) {
	nodes, err := c.provider.Engine.nodes(ctx, c.record.Name)
	if err != nil {
		return nil, fmt.Errorf("nodes of the kind cluster %s: %w", c.record.Name, err)
	}
	if len(nodes) != c.record.Workers+1 {
		return nil, fmt.Errorf("the kind cluster %s has %d containers: expected %d; one may have been removed by hand: take the cluster down and make it anew", c.record.Name, len(nodes), c.record.Workers+1)
	}
	return nodes, nil
}

func (c *Cluster) workers(ctx context.Context) ([]container, error) {
	nodes, err := c.containers(ctx)
	return slices.DeleteFunc(nodes, func(n container) bool { return !n.worker() }), err
}

// HasImage says whether each node has an archive.
func (c *Cluster) HasImage(archive string) bool {
	known, err := c.directory.loadNodes()
	if err != nil || len(known.Images) != c.record.Workers+1 {
		return false
	}
	for _, loaded := range known.Images {
		if !slices.Contains(loaded, archive) {
			return false
		}
	}
	return true
}

// Load brings an image archive to all nodes that are on; those that are off get it when they are started.
func (c *Cluster) Load(ctx context.Context, archive string) error {
	c.acting.Lock()
	defer c.acting.Unlock()
	archive, err := filepath.Abs(archive)
	if err == nil {
		_, err = os.Stat(archive)
	}
	if err != nil {
		return fmt.Errorf("image archive: %w", err)
	}
	known, err := c.directory.loadNodes()
	if err != nil {
		return err
	}
	nodes, err := c.containers(ctx)
	if err != nil {
		return err
	}
	nodes = slices.DeleteFunc(nodes, func(n container) bool { return !n.State.Running || slices.Contains(known.Images[n.name()], archive) })
	c.provider.Progress("bringing " + filepath.Base(filepath.Dir(archive)) + " to the nodes")
	group, loading := errgroup.WithContext(ctx)
	group.SetLimit(2) // each unpacks the archive
	for _, node := range nodes {
		group.Go(func() error { return c.load(loading, node.name(), archive) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return c.directory.changeNodes(func(s nodeState) {
		for _, node := range nodes {
			s.Images[node.name()] = append(s.Images[node.name()], archive)
		}
	})
}

//go:build linux

package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/statefile"
)

// readyTimeout is how long all nodes may take to be Ready once kind has made them.
const readyTimeout = 3 * time.Minute

// Kind names the kind of these clusters, on the command line and in records.
const Kind = "kind"

// Provider makes, finds and removes kind clusters on this machine.
type Provider struct {
	// State is sparkchaos' state directory.
	State string
	// Engine runs the nodes.
	Engine Engine
	// Progress is called with one line for each thing that happens.
	Progress func(line string)
}

// Options describe a new cluster.
type Options struct {
	Name    string
	Workers int
	Timing  cluster.Timing
	// NodeImage is the image of the nodes. The engine must have it, or be able to pull it.
	NodeImage string
	// Images are archives that every node is to have.
	Images []string
}

// Cluster is a kind cluster that sparkchaos made.
type Cluster struct {
	provider  Provider
	directory directory
	record    record // as the cluster was made
}

var (
	_ cluster.Own         = (*Cluster)(nil)
	_ cluster.VolumeStock = (*Cluster)(nil)
)

// EngineOf returns the engine that runs a cluster which was made before; without a record of it the error is fs.ErrNotExist.
func EngineOf(state, name string) (Engine, error) {
	if err := cluster.CheckName(name); err != nil {
		return "", err
	}
	r, err := directoryOf(state, name).load()
	return r.Engine, err
}

// Locks are those of the clusters that the provider knows.
func (p Provider) Locks() locks.Locks { return locks.In(p.State, Kind) }

// change waits until no other process changes the cluster.
func (p Provider) change(ctx context.Context, name string) (done func(), err error) {
	return p.Locks().Change(ctx, name, func() {
		if p.Progress != nil {
			p.Progress("waiting for another sparkchaos that works on the kind cluster " + name)
		}
	})
}

// Open finds a cluster that was made before.
func (p Provider) Open(ctx context.Context, name string) (*Cluster, error) {
	if err := cluster.CheckName(name); err != nil {
		return nil, err
	}
	d := directoryOf(p.State, name)
	r, err := d.load()
	if absent(err) {
		return nil, &cluster.NotFoundError{Kind: Kind, Name: name, State: p.State}
	}
	if err != nil {
		return nil, fmt.Errorf("kind cluster %s: %w", name, err)
	}
	nodes, err := p.Engine.nodes(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("kind cluster %s: %w", name, err)
	}
	if len(nodes) == 0 {
		return nil, &cluster.NotFoundError{Kind: Kind, Name: name, State: p.State}
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
		if entry.IsDir() && cluster.CheckName(entry.Name()) == nil { // anything else is none of ours
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Up makes a cluster, or returns the running one; made says which. What its own failed start left is removed. If another process is making
// the cluster, Up waits for it.
func (p Provider) Up(ctx context.Context, o Options) (c *Cluster, made bool, err error) {
	if err := cluster.CheckName(o.Name); err != nil {
		return nil, false, err
	}
	done, err := p.change(ctx, o.Name)
	if err != nil {
		return nil, false, err
	}
	defer done()
	known, err := p.Open(ctx, o.Name)
	switch {
	case err == nil && known.record.Running:
		return known, false, nil
	case err == nil:
		return nil, false, fmt.Errorf("the start of the kind cluster %s was interrupted: `sparkchaos cluster down --cluster kind --name %s` "+
			"removes what there is of it", o.Name, o.Name)
	case !errors.Is(err, cluster.ErrNotFound):
		return nil, false, err
	}
	others, err := p.Engine.nodes(ctx, o.Name)
	if err != nil {
		return nil, false, err
	}
	if len(others) > 0 {
		return nil, false, fmt.Errorf("a kind cluster %s exists that sparkchaos did not make (container %s and %d more): it is left alone; "+
			"choose another name", o.Name, others[0].name(), len(others)-1)
	}
	c, err = p.make(ctx, o)
	if err != nil {
		_, left := p.remove(context.WithoutCancel(ctx), o.Name)
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
			return fmt.Errorf("the node image cannot be had; where no registry can be reached, `sparkchaos kind build-node-image` makes one: %w",
				err)
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
		if err := c.bring(ctx, archive); err != nil {
			return err
		}
	}
	if err := c.awaitReady(ctx); err != nil {
		return err
	}
	return c.renewVolumes(ctx)
}

// Down removes a cluster that sparkchaos made, with its state; existed reports whether there was anything.
func (p Provider) Down(ctx context.Context, name string) (existed bool, err error) {
	if err := cluster.CheckName(name); err != nil {
		return false, err
	}
	// Nothing is locked, and thereby written, where there is nothing.
	if _, err := os.Lstat(string(directoryOf(p.State, name))); absent(err) {
		return false, nil
	}
	done, err := p.change(ctx, name)
	if err != nil {
		return false, err
	}
	defer done()
	return p.remove(ctx, name)
}

// remove is Down for callers that hold the cluster's lock.
func (p Provider) remove(ctx context.Context, name string) (existed bool, err error) {
	d := directoryOf(p.State, name)
	if _, err := os.Lstat(string(d)); absent(err) {
		return false, nil
	}
	switch _, err := d.load(); {
	case err == nil:
		if err := p.library().Delete(name, d.kubeconfig()); err != nil {
			return true, fmt.Errorf("remove the kind cluster %s: %w", name, err)
		}
	case !absent(err): // what was made is not known
		return true, fmt.Errorf("remove the kind cluster %s: %w", name, err)
	default:
		if err := p.checkUnrecorded(ctx, d, name); err != nil {
			return true, fmt.Errorf("remove the state of the kind cluster %s: %w", name, err)
		}
	}
	if err := statefile.RemoveDirectory(filepath.Dir(string(d)), name, recordFile); err != nil {
		return true, fmt.Errorf("remove the state of the kind cluster %s: %w", name, err)
	}
	return true, nil
}

// checkUnrecorded reports why a directory without a record is not removed. Before the record a start makes nothing but the directory for
// shared volumes; a removal takes the record away last.
func (p Provider) checkUnrecorded(ctx context.Context, d directory, name string) error {
	started, err := statefile.OnlyHolds(string(d), recordFile, "shared", "kubeconfig", "nodes.json")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(started, func(entry string) bool { return entry != "shared" }) && empty(d.shared()) {
		return nil
	}
	// A record that somebody removed: whose the containers are is not known any more.
	left, err := p.Engine.nodes(ctx, name)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("its record %s is gone, and there are containers of a kind cluster of that name, such as %s: remove them with `kind "+
			"delete cluster --name %s` if they are not needed, then try again", d.record(), left[0].name(), name)
	}
	return err
}

// empty reports whether a directory holds nothing; one that does not exist holds nothing.
func empty(directory string) bool {
	entries, err := os.ReadDir(directory)
	return absent(err) || err == nil && len(entries) == 0
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
		return nil, fmt.Errorf("the kind cluster %s has %d containers: expected %d; one may have been removed by hand: take the cluster down "+
			"and recreate it", c.record.Name, len(nodes), c.record.Workers+1)
	}
	return nodes, nil
}

func (c *Cluster) workers(ctx context.Context) ([]container, error) {
	nodes, err := c.containers(ctx)
	return slices.DeleteFunc(nodes, func(n container) bool { return !n.worker() }), err
}

// HasImage reports whether each node has an archive.
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
	done, err := c.provider.change(ctx, c.record.Name)
	if err != nil {
		return err
	}
	defer done()
	return c.bring(ctx, archive)
}

// bring is Load for callers that hold the cluster's lock.
func (c *Cluster) bring(ctx context.Context, archive string) error {
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

//go:build linux

package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
)

// Settings are what can be chosen of a kind cluster beside what a run needs.
type Settings struct {
	// NodeImage is the image of the nodes; empty: kind's own, or the one that was made on this machine where that cannot be had.
	NodeImage string
}

// Entry returns the kind of kind clusters for a program's list of kinds.
func Entry() cluster.Kind {
	settings := Settings{}
	return cluster.Kind{
		Name: Kind, Title: "nodes are containers",
		AddFlags:    settings.addFlags,
		ClusterName: cluster.NamedHere,
		CheckRun:    func() error { return nil },
		Can: func() (cluster.Capabilities, error) {
			return cluster.Capabilities{Kind: Kind, Actions: cluster.Actions(), ChaosMesh: true}, nil
		},
		New:      func(env cluster.Environment) (cluster.Provider, error) { return NewClusters(settings, env), nil },
		Diagnose: diagnose,
	}
}

func (s *Settings) addFlags(flags *pflag.FlagSet, use cluster.Use) {
	if use == cluster.ToMake {
		flags.StringVar(&s.NodeImage, "node-image", s.NodeImage,
			"kind: image of the nodes (default: the one that 'sparkchaos kind build-node-image' built, or kind's own)")
	}
}

// Clusters are the kind clusters as a run sees them.
type Clusters struct {
	*locks.Holds
	settings Settings
	env      cluster.Environment
}

var (
	_ cluster.Provider  = Clusters{}
	_ cluster.Exclusive = Clusters{}
	_ cluster.Guarded   = Clusters{}
	_ cluster.Lister    = Clusters{}
)

// NewClusters returns the kind clusters of this user on this machine.
func NewClusters(settings Settings, env cluster.Environment) Clusters {
	return Clusters{Holds: locks.NewHolds(Provider{State: env.State}.Locks()), settings: settings, env: env}
}

// Kind implements cluster.Provider.
func (Clusters) Kind() string { return Kind }

// Hold refuses first what can never come to a cluster: without root the nodes' disks and links cannot be reached.
func (c Clusters) Hold(
	ctx context.Context, name string, by cluster.Holder, patience time.Duration, waiting func(cluster.Holder),
) (func(), error) {
	if err := checkRoot(); err != nil {
		return nil, err
	}
	return c.Holds.Hold(ctx, name, by, patience, waiting)
}

func checkRoot() error {
	if os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("root is needed, this is user %d: sparkchaos accesses the disks and network links of kind's nodes; run it with sudo",
		os.Geteuid())
}

// provider looks for a container engine only when one is needed: most runs need none. A cluster is where it was made.
func (c Clusters) provider(ctx context.Context, name string) (Provider, error) {
	engine, err := EngineOf(c.env.State, name)
	if errors.Is(err, fs.ErrNotExist) { // a record that is damaged is told instead
		engine, err = FindEngine(ctx)
	}
	return Provider{State: c.env.State, Engine: engine, Progress: c.env.Say}, err
}

// Make takes a running cluster only if it is what the run needs.
func (c Clusters) Make(ctx context.Context, spec cluster.Spec) (cluster.Cluster, bool, error) {
	provider, err := c.provider(ctx, spec.Name)
	if err != nil {
		return nil, false, err
	}
	options := Options{Name: spec.Name, Workers: spec.Workers, Timing: spec.Timing, Images: spec.Images, NodeImage: c.settings.NodeImage}
	if options.NodeImage == "" {
		if options.NodeImage, err = c.nodeImage(ctx, provider.Engine); err != nil {
			return nil, false, err
		}
	}
	made, isNew, err := provider.Up(ctx, options)
	if err != nil {
		return nil, false, err
	}
	if isNew {
		return made, true, nil
	}
	if err := cluster.Reuse(ctx, made, spec, Kind); err != nil {
		return nil, false, err
	}
	return made, false, nil
}

// nodeImage decides what nodes run: kind's own image, or the one that was made where that cannot be had.
func (c Clusters) nodeImage(ctx context.Context, engine Engine) (string, error) {
	if engine.HasImage(ctx, defaults.Image) {
		return defaults.Image, nil
	}
	made, err := lastMade(c.env)
	if err != nil { // none was made, so kind's is tried
		return defaults.Image, nil
	}
	if !engine.HasImage(ctx, made.Reference) {
		c.env.Say("loading " + made.Reference + " into " + string(engine))
		if err := engine.LoadImage(ctx, made.Path); err != nil {
			return "", fmt.Errorf("node image %s: %w", made.Reference, err)
		}
	}
	return made.Reference, nil
}

// lastMade returns the node image that was made last on this machine.
func lastMade(env cluster.Environment) (image.Archive, error) {
	return image.LastKindNode(image.Env{Cache: env.Cache, Checkout: components.Checkout("")})
}

// Open implements cluster.Provider. Its context is its own: a run that was interrupted must find its cluster, too.
func (c Clusters) Open(name string) (cluster.Cluster, error) {
	ctx := context.Background()
	provider, err := c.provider(ctx, name)
	if err != nil {
		return nil, err
	}
	opened, err := provider.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// Names implements cluster.Provider.
func (c Clusters) Names() ([]string, error) { return Provider{State: c.env.State}.Names() }

// Remove implements cluster.Provider.
func (c Clusters) Remove(ctx context.Context, name string) (bool, error) {
	provider, err := c.provider(ctx, name)
	if err != nil {
		return false, err
	}
	return provider.Down(ctx, name)
}

// ActOn implements cluster.Guarded.
func (c Clusters) ActOn(ctx context.Context, name, _ string) (func(), error) { return c.Act(ctx, name) }

// Summary implements cluster.Lister.
func (c Clusters) Summary(ctx context.Context, name string) cluster.Summary {
	return Provider{State: c.env.State}.Summary(ctx, name)
}

func diagnose(ctx context.Context, env cluster.Environment) cluster.Diagnosis {
	engine, err := FindEngine(ctx)
	d := cluster.Diagnosis{Lacks: errors.Join(err, checkRoot())}
	if err != nil {
		return d
	}
	d.Notes = append(d.Notes, fmt.Sprintf("the nodes are containers of %s", engine))
	made, notMade := lastMade(env)
	switch {
	case engine.HasImage(ctx, defaults.Image):
		d.Notes = append(d.Notes, "they run "+defaults.Image+", which is there")
	case notMade == nil:
		d.Notes = append(d.Notes, "they run "+made.Reference+", which was made on this machine")
	default:
		d.Notes = append(d.Notes, "they run "+defaults.Image+", which will be pulled; where no registry can be reached, "+
			"`sparkchaos kind build-node-image` makes one from package registries")
	}
	return d
}

// Show implements cluster.Own.
func (c *Cluster) Show(ctx context.Context) (cluster.Status, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return cluster.Status{}, err
	}
	shown := cluster.Status{Document: s, Header: []string{"Node", "Power", "Link", "Ready", "Address", "Processes", "Disk"}}
	shown.Add("cluster", "%s, made by kind with %s, since %s", s.Name, s.Engine, s.Created.Format(time.DateTime))
	shown.Add("API server", "%s, kubeconfig %s", s.Server, s.Kubeconfig)
	shown.Add("timing", "%v", s.Timing)
	shown.Add("node image", "%s", s.NodeImage)
	shown.Add("volumes", "shared ones in %s", s.Shared)
	for _, n := range s.Nodes {
		shown.Nodes = append(shown.Nodes, []string{
			n.Name, n.PowerText(false, n.Ready), n.LinkText(), cluster.OrDash(n.Ready), cluster.OrDash(n.Address), fmt.Sprint(n.Processes), n.Disk,
		})
	}
	return shown, nil
}

// LogFiles implements cluster.Own: the logs of kind's nodes are in the nodes, not on this machine.
func (c *Cluster) LogFiles() ([]cluster.Log, error) {
	return nil, cluster.Optionf("the logs of kind's nodes are in the nodes: `docker exec NODE journalctl --unit kubelet`, or all of them by "+
		"`kind export logs --name %s`", c.Name())
}

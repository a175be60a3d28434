package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
	"github.com/sparkchaos/sparkchaos/pkg/image"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// kindClusters are the kind clusters as a run sees them.
type kindClusters struct {
	*locks.Holds
	state, cache string
	progress     func(string)
}

var (
	_ runner.Clusters   = kindClusters{}
	_ cluster.Exclusive = kindClusters{}
)

func (k kindClusters) Kind() string { return kindKind }

// provider looks for a container engine only when one is needed: most runs need none. A cluster is where it was made.
func (k kindClusters) provider(ctx context.Context, name string) (kind.Provider, error) {
	engine, err := kind.EngineOf(k.state, name)
	if errors.Is(err, fs.ErrNotExist) { // a record that is damaged is told instead
		engine, err = kind.FindEngine(ctx)
	}
	return kind.Provider{State: k.state, Engine: engine, Progress: k.progress}, err
}

// Hold refuses first what can never come to a cluster: without root the nodes' disks and links cannot be reached.
func (k kindClusters) Hold(ctx context.Context, name string, by cluster.Holder, patience time.Duration, waiting func(cluster.Holder)) (func(), error) {
	if err := kindNeedsRoot(); err != nil {
		return nil, err
	}
	return k.Holds.Hold(ctx, name, by, patience, waiting)
}

// Make takes a running cluster only if it is what the run needs: a verdict by other timing would mislead.
func (k kindClusters) Make(ctx context.Context, spec runner.ClusterSpec) (cluster.Cluster, bool, error) {
	c, made, err := k.up(ctx, kind.Options{Name: spec.Name, Workers: spec.Workers, Timing: spec.Timing, Images: spec.Images})
	if err != nil || made {
		return c, made, err
	}
	if err := fits(c, spec, k.Kind()); err != nil {
		return nil, false, err
	}
	if err := c.RenewVolumes(ctx); err != nil {
		return nil, false, err
	}
	return c, false, loadMissing(ctx, c, spec.Images)
}

func (k kindClusters) up(ctx context.Context, o kind.Options) (*kind.Cluster, bool, error) {
	provider, err := k.provider(ctx, o.Name)
	if err != nil {
		return nil, false, err
	}
	if o.NodeImage == "" {
		if o.NodeImage, err = k.nodeImage(ctx, provider.Engine); err != nil {
			return nil, false, err
		}
	}
	return provider.Up(ctx, o)
}

// nodeImage decides what nodes run: kind's own image, or the one that was made where that cannot be had.
func (k kindClusters) nodeImage(ctx context.Context, engine kind.Engine) (string, error) {
	if engine.HasImage(ctx, defaults.Image) {
		return defaults.Image, nil
	}
	made, err := image.LastKindNode(imagesOf(k.cache))
	if err != nil { // none was made, so kind's is tried
		return defaults.Image, nil
	}
	if !engine.HasImage(ctx, made.Reference) {
		k.progress("loading " + made.Reference + " into " + string(engine))
		if err := engine.LoadImage(ctx, made.Path); err != nil {
			return "", fmt.Errorf("node image %s: %w", made.Reference, err)
		}
	}
	return made.Reference, nil
}

// loadIntoEngine loads an image into the container engine, unless none answers: then it is only built, and that is said.
func loadIntoEngine(ctx context.Context, archive image.Archive, progress io.Writer) error {
	const patience = 10 * time.Second
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	engine, err := kind.FindEngine(asking)
	if err != nil {
		fmt.Fprintf(progress, "the image is not loaded: %v; load it with \"docker load --input %s\"\n", err, archive.Path)
		return ctx.Err()
	}
	// The tag is the content's, so what has the name is the image.
	if engine.HasImage(ctx, archive.Reference) {
		fmt.Fprintf(progress, "%s has %s already\n", engine, archive.Reference)
		return nil
	}
	begun := time.Now()
	if err := engine.LoadImage(ctx, archive.Path); err != nil {
		return err
	}
	fmt.Fprintf(progress, "%s has loaded %s in %s\n", engine, archive.Reference, time.Since(begun).Round(10*time.Millisecond))
	return nil
}

func (k kindClusters) Open(name string) (cluster.Cluster, error) {
	// A context of its own: a run that was interrupted must find its cluster, too.
	ctx := context.Background()
	provider, err := k.provider(ctx, name)
	if err != nil {
		return nil, err
	}
	c, err := provider.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (k kindClusters) Names() ([]string, error) { return kind.Provider{State: k.state}.Names() }

func (k kindClusters) Remove(ctx context.Context, name string) (bool, error) {
	provider, err := k.provider(ctx, name)
	if err != nil {
		return false, err
	}
	return provider.Down(ctx, name)
}

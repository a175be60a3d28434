package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// newClusters returns the clusters that this machine can make by itself.
func newClusters(state, cache string, progress func(string)) (runner.Clusters, error) {
	provider, err := embedded.NewProvider(state, cache, progress)
	if err != nil {
		return nil, err
	}
	return embeddedClusters{provider}, nil
}

// embeddedClusters are the embedded clusters as a run sees them.
type embeddedClusters struct{ provider embedded.Provider }

var _ runner.Clusters = embeddedClusters{}

func (e embeddedClusters) Kind() string { return embeddedKind }

// Make takes a running cluster only if it is what the run needs: a verdict by other timing would mislead.
func (e embeddedClusters) Make(ctx context.Context, spec runner.ClusterSpec) (cluster.Cluster, bool, error) {
	started, err := e.provider.Up(ctx, embedded.Options{
		Name: spec.Name, Workers: spec.Workers, Timing: spec.Timing, Capacity: embedded.DefaultCapacity(), Images: spec.Images,
	})
	if err != nil {
		return nil, false, err
	}
	c := started.Cluster
	if !started.Already {
		return c, true, nil
	}
	if c.Workers() != spec.Workers || c.Timing() != spec.Timing {
		return nil, false, fmt.Errorf("the cluster %s that runs has %d workers and timing %+v, the plan wants %d and %+v: take it down with `sparkchaos cluster down --name %s`, or name another with --cluster-name",
			spec.Name, c.Workers(), c.Timing(), spec.Workers, spec.Timing, spec.Name)
	}
	for _, archive := range spec.Images {
		if c.HasImage(archive) {
			continue
		}
		if err := c.Load(ctx, archive); err != nil {
			return nil, false, err
		}
	}
	return c, false, nil
}

func (e embeddedClusters) Open(name string) (cluster.Cluster, error) {
	c, err := e.provider.Open(name)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (e embeddedClusters) IsAbsent(err error) bool {
	var absent embedded.NotFound
	return errors.As(err, &absent)
}

func (e embeddedClusters) Remove(ctx context.Context, name string) error {
	_, err := e.provider.Down(ctx, name)
	return err
}

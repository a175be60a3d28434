package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// usableKinds are the kinds of clusters that runs on this system can have left something in.
func usableKinds() []string { return clusterKinds() }

// newClusters returns the clusters of a kind that this machine can make by itself.
func newClusters(chosen, state, cache string, progress func(string)) (runner.Clusters, error) {
	switch chosen {
	case embeddedKind:
		provider, err := embedded.NewProvider(state, cache, progress)
		if err != nil {
			return nil, err
		}
		return embeddedClusters{locks.NewHolds(provider.Locks()), provider}, nil
	case kindKind:
		return kindClusters{Holds: locks.NewHolds(kind.Provider{State: state}.Locks()), state: state, cache: cache, progress: progress}, nil
	default:
		_, err := capabilities(clusterChoice{kind: chosen})
		return nil, err
	}
}

// embeddedClusters are the embedded clusters as a run sees them.
type embeddedClusters struct {
	*locks.Holds
	provider embedded.Provider
}

var (
	_ runner.Clusters   = embeddedClusters{}
	_ cluster.Exclusive = embeddedClusters{}
)

func (e embeddedClusters) Kind() string { return embeddedKind }

// Hold refuses first what can never come to a cluster: without root none is made and none is used.
func (e embeddedClusters) Hold(ctx context.Context, name string, by cluster.Holder, patience time.Duration, waiting func(cluster.Holder)) (func(), error) {
	if err := embedded.CheckRoot(); err != nil {
		return nil, err
	}
	return e.Holds.Hold(ctx, name, by, patience, waiting)
}

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
	if err := fits(c, spec, e.Kind()); err != nil {
		return nil, false, err
	}
	return c, false, loadMissing(ctx, c, spec.Images)
}

// running is a cluster that a run may use.
type running interface {
	Workers() int
	Timing() cluster.Timing
	HasImage(archive string) bool
	Load(ctx context.Context, archive string) error
}

// fits says in what a running cluster differs from what a run needs.
func fits(c running, spec runner.ClusterSpec, kind string) error {
	if c.Workers() == spec.Workers && c.Timing() == spec.Timing {
		return nil
	}
	return fmt.Errorf("the cluster %s that runs has %d workers and timing %+v, the plan wants %d and %+v: take it down with `sparkchaos cluster down --cluster %s --name %s`, or name another with --cluster-name",
		spec.Name, c.Workers(), c.Timing(), spec.Workers, spec.Timing, kind, spec.Name)
}

func loadMissing(ctx context.Context, c running, archives []string) error {
	for _, archive := range archives {
		if c.HasImage(archive) {
			continue
		}
		if err := c.Load(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

func (e embeddedClusters) Open(name string) (cluster.Cluster, error) {
	c, err := e.provider.Open(name)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (e embeddedClusters) Names() ([]string, error) { return e.provider.Names() }

func (e embeddedClusters) Remove(ctx context.Context, name string) (bool, error) {
	return e.provider.Down(ctx, name)
}

package runner

import (
	"context"
	"errors"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// holdCluster locks the cluster of a run, unless it is of a kind that is held in another way.
func holdCluster(ctx context.Context, clusters cluster.Provider, name, what string) (release func(), err error) {
	exclusive, ok := clusters.(cluster.Exclusive)
	if !ok {
		return func() {}, nil
	}
	return exclusive.Hold(ctx, name, cluster.Holding(what), 0, func(cluster.Holder) {})
}

// noteHold shows others which run holds the cluster.
func (r *run) noteHold() error {
	exclusive, ok := r.Clusters.(cluster.Exclusive)
	if !ok {
		return nil
	}
	return exclusive.Note(r.ClusterName, r.id)
}

// holdDead locks the cluster of a run that was killed. If another run has it by now, why says so: what the dead one left
// is cleaned up later.
func holdDead(ctx context.Context, clusters cluster.Provider, record ActiveRecord) (release func(), why string, err error) {
	release, err = holdCluster(ctx, clusters, record.ClusterName, "clean-up after run "+record.RunID)
	var held *cluster.HeldError
	if errors.As(err, &held) {
		return nil, held.Error(), nil
	}
	return release, "", err
}

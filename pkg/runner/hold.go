package runner

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
)

// Exclusive is implemented by Clusters of this machine: one process holds a cluster at a time.
type Exclusive interface {
	// Hold takes hold of a cluster, whether it exists or not, until release is called or the process ends. What this process holds
	// already it holds on to. If another run has it, Hold waits for as long as patience lasts, and calls waiting with each holder that it
	// has found; then it fails with a *locks.HeldError.
	Hold(ctx context.Context, name string, by locks.Holder, patience time.Duration, waiting func(locks.Holder)) (release func(), err error)
	// Note writes down which run it is that this process holds a cluster for.
	Note(name, run string) error
}

// Holding returns who this process is to others that find a cluster held; what says what it does.
func Holding(what string) locks.Holder {
	return locks.Holder{What: what, PID: os.Getpid(), Since: time.Now()}
}

// holdCluster takes hold of the cluster of a run, unless it is of a kind that is held in another way.
func holdCluster(ctx context.Context, clusters Clusters, name, what string) (release func(), err error) {
	exclusive, ok := clusters.(Exclusive)
	if !ok {
		return func() {}, nil
	}
	return exclusive.Hold(ctx, name, Holding(what), 0, func(locks.Holder) {})
}

// noteHold tells others which run holds the cluster.
func (r *run) noteHold() error {
	exclusive, ok := r.Clusters.(Exclusive)
	if !ok {
		return nil
	}
	return exclusive.Note(r.ClusterName, r.id)
}

// holdDead takes hold of the cluster of a run that was killed. If another run has it by now, why says so: what the dead one left
// is cleaned up later.
func holdDead(ctx context.Context, clusters Clusters, record ActiveRecord) (release func(), why string, err error) {
	release, err = holdCluster(ctx, clusters, record.ClusterName, "clean-up after run "+record.RunID)
	var held *locks.HeldError
	if errors.As(err, &held) {
		return nil, held.Error(), nil
	}
	return release, "", err
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// waitAlone is how long --wait without a duration waits.
const waitAlone = 24 * time.Hour

// addWait adds the flag that has a command wait for a cluster that another run holds.
func addWait(flags *pflag.FlagSet, wait *time.Duration) {
	flags.DurationVar(wait, "wait", 0, "embedded, kind: if another run holds the cluster, wait for it for this long at most (--wait=10m; --wait alone: 24h) instead of failing")
	flags.Lookup("wait").NoOptDefVal = waitAlone.String()
}

func checkWait(flags runFlags) error {
	switch {
	case flags.wait < 0:
		return usagef("--wait %v: expected a duration that is not negative", flags.wait)
	case flags.wait > 0:
		return flags.cluster.here("--wait is for clusters of this machine; an existing cluster is refused while another harness holds it")
	default:
		return nil
	}
}

// holdCluster takes hold of the cluster of a command's runs, and shows for whom it waits.
func holdCluster(ctx context.Context, options runner.Options, patience time.Duration) (release func(), err error) {
	exclusive, ok := options.Clusters.(cluster.Exclusive)
	if !ok {
		return func() {}, nil
	}
	var holder atomic.Pointer[cluster.Holder]
	done := func() {}
	waiting := func(h cluster.Holder) {
		if holder.Swap(&h) == nil {
			done = options.Progress.Await("cluster "+options.ClusterName, patience, func() string { return "held by " + holder.Load().String() })
		}
	}
	release, err = exclusive.Hold(ctx, options.ClusterName, cluster.Holding("a command `run`"), patience, waiting)
	done()
	if ctx.Err() != nil {
		return release, withCode(ExitInterrupted, err)
	}
	if err != nil && patience == 0 && isHeld(err) {
		return nil, fmt.Errorf("%w; --wait waits for it, and --cluster-name takes another cluster", err)
	}
	return release, err
}

// isHeld reports whether something was not done because a cluster is held.
func isHeld(err error) bool {
	var held *cluster.HeldError
	return errors.As(err, &held)
}

// sayKept tells that the runs' cluster goes on, and how it is removed.
func sayKept(options runner.Options) {
	if _, ok := options.Clusters.(cluster.Exclusive); !ok || !options.KeepCluster {
		return
	}
	if _, err := options.Clusters.Open(options.ClusterName); errors.Is(err, cluster.ErrNotFound) {
		return
	}
	kind, name := options.Clusters.Kind(), options.ClusterName
	options.Progress.Say("cluster %s is kept: `sparkchaos cluster down --cluster %s --name %s` removes it, `sparkchaos cluster list` shows all", name, kind, name)
}

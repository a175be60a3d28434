package sparkchaos

import (
	"context"

	"github.com/sparkchaos/sparkchaos/internal/testbed"
)

// Watching says how long an application is watched, and who is told how it fares.
type Watching = testbed.Watching

// Seen is how an application fares that is watched.
type Seen = testbed.Seen

// Watch records an application that somebody else starts and judges it, until the context ends, the time is up, or the application has
// ended. The trial's workload has the launcher attach, and no faults. Watch needs no Start, takes no hold of the cluster and changes
// nothing in it.
func (c *Cluster) Watch(ctx context.Context, t Trial, w Watching) (Verdict, error) {
	return verdict(c.bed.Watch(ctx, t.trial, w))
}

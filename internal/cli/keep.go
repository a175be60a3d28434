package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// removeTimeout bounds the removal of a cluster that is not kept.
const removeTimeout = 3 * time.Minute

func checkKeep(flags runFlags) error {
	if !flags.keepOnFailure {
		return nil
	}
	return flags.cluster.here("--keep-on-failure is for clusters of this machine; an existing cluster is never removed")
}

// failureKeeper removes the cluster that runs made after each run that passed, and keeps that of the first one that did not.
type failureKeeper struct {
	clusters cluster.Provider // nil: the runs remove their cluster themselves, or it is kept in any case
	name     string
	before   bool // the cluster was there before the runs, so it is never removed
	show     *progress
}

func newKeeper(lab *sparkchaos.Cluster, on bool, show *progress) failureKeeper {
	if !on {
		return failureKeeper{}
	}
	clusters, name := lab.Provider()
	_, err := clusters.Open(name)
	return failureKeeper{clusters: clusters, name: name, before: !errors.Is(err, cluster.ErrNotFound), show: show}
}

// after does what is due after a run, and reports whether the next one may begin. An interrupted run has nothing to look at.
func (k failureKeeper) after(ctx context.Context, result outcome, further int) (goOn bool, err error) {
	if k.clusters == nil {
		return true, nil
	}
	if result.code != ExitPass && ctx.Err() == nil {
		k.tell(further)
		return false, nil
	}
	if k.before {
		return true, nil
	}
	removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if _, err := k.clusters.Remove(removing, k.name); err != nil {
		return true, fmt.Errorf("remove cluster %s: %w", k.name, err)
	}
	return true, nil
}

// tell says how to look at the cluster that is kept, and how to remove it.
func (k failureKeeper) tell(further int) {
	if _, err := k.clusters.Open(k.name); errors.Is(err, cluster.ErrNotFound) {
		k.show.Say("the run did not pass, and there is no cluster to keep")
		return
	}
	which := fmt.Sprintf("--cluster %s --name %s", k.clusters.Kind(), k.name)
	k.show.Say("the run did not pass: cluster %s is kept, without what the run made in it", k.name)
	k.show.Say("look:   `sparkchaos cluster shell %s` has kubectl, with a NODE it is on the node; `sparkchaos cluster logs %s` lists logs",
		which, which)
	k.show.Say("remove: `sparkchaos cluster down %s`", which)
	if further > 0 {
		k.show.Say("further runs were not made: %d", further)
	}
}

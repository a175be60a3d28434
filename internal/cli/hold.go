package cli

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// waitAlone is how long --wait without a duration waits.
const waitAlone = 24 * time.Hour

// addWait adds the flag that has a command wait for a cluster that another run holds.
func addWait(flags *pflag.FlagSet, wait *time.Duration) {
	flags.DurationVar(wait, "wait", 0, "embedded, kind: if another run holds the cluster, wait up to this long (--wait=10m; "+
		"--wait alone: 24h) instead of failing")
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

// isHeld reports whether something was not done because a cluster is held.
func isHeld(err error) bool {
	var held *cluster.HeldError
	return errors.As(err, &held)
}

// sayKept says that the cluster of the runs is kept, and how to remove it.
func sayKept(lab *sparkchaos.Cluster, keep bool, show *progress) {
	provider, name := lab.Provider()
	sayThatKept(provider, name, keep, show)
}

func sayThatKept(provider cluster.Provider, name string, keep bool, show *progress) {
	if _, ok := provider.(cluster.Exclusive); !ok || !keep {
		return
	}
	if _, err := provider.Open(name); errors.Is(err, cluster.ErrNotFound) {
		return
	}
	show.Say("cluster %s is kept: `sparkchaos cluster down --cluster %s --name %s` removes it, `sparkchaos cluster list` shows all", name,
		provider.Kind(), name)
}

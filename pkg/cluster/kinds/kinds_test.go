package kinds_test

import (
	"testing"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kinds"
)

// TestUsesShareNoFlag adds the flags of the uses that go together, of all kinds, to one set, which panics if a flag is there already.
func TestUsesShareNoFlag(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	added := map[string]bool{}
	for _, kind := range kinds.All() {
		before := 0
		flags.VisitAll(func(*pflag.Flag) { before++ })
		for _, use := range []cluster.Use{cluster.ToReach, cluster.ToRun, cluster.ToMake} {
			kind.AddFlags(flags, use)
		}
		after := 0
		flags.VisitAll(func(*pflag.Flag) { after++ })
		added[kind.Name] = after > before
	}
	for name, some := range added {
		if !some {
			t.Errorf("clusters of the kind %s take no flag", name)
		}
	}
}

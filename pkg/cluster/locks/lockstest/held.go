// Package lockstest has another holder of a cluster for tests.
package lockstest

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
)

// Held has another holder of a cluster, such as another process is: the run r-other of some-scenario.
func Held(t testing.TB, state, kind, name string) *locks.Held {
	t.Helper()
	h, err := locks.In(state, kind).Hold(t.Context(), name, cluster.Holding("run of some-scenario"), 0, func(cluster.Holder) {})
	if err == nil {
		err = h.Note("r-other")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Release)
	return h
}

package testbed

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks/lockstest"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

func TestOneThatWaitsForTheClusterShowsIt(t *testing.T) {
	state := t.TempDir()
	other := lockstest.Held(t, state, "embedded", "lab")
	clusters := struct {
		*locks.Holds
		cluster.Provider
	}{Holds: locks.NewHolds(locks.In(state, "embedded"))}
	show := &fakeAwaiting{seen: make(chan string, 1), done: make(chan struct{})}
	got := make(chan error, 1)
	go func() {
		var err error
		defer func() { got <- err }() // after the cluster was released
		c := &Testbed{
			base:     runner.Options{Place: runner.Place{ClusterName: "lab", Clusters: clusters}},
			settings: Settings{Progress: show, Patience: time.Hour},
		}
		err = c.hold(t.Context())
		if err == nil {
			defer c.release()
			// The process can hold again what it holds.
			again, err2 := clusters.Hold(t.Context(), "lab", cluster.Holding("x"), 0, func(cluster.Holder) {})
			if err = err2; err == nil {
				again()
				err = clusters.Note("lab", "r-mine")
			}
		}
	}()
	if seen := <-show.seen; !strings.Contains(seen, "cluster lab for 1h0m0s: held by run r-other") {
		t.Errorf("it shows %q", seen)
	}
	other.Release()
	<-show.done
	if err := <-got; err != nil {
		t.Error(err)
	}
	if holder, err := clusters.Holder("lab"); err != nil || holder != nil {
		t.Errorf("afterwards it is held by %+v, %v", holder, err)
	}
}

// fakeAwaiting is a progress that tells what is awaited.
type fakeAwaiting struct {
	seen chan string
	done chan struct{}
}

func (f *fakeAwaiting) Say(string, ...any) {}

func (f *fakeAwaiting) Await(what string, atMost time.Duration, seen func() string) func() {
	f.seen <- fmt.Sprintf("%s for %v: %s", what, atMost, seen())
	return func() { close(f.done) }
}

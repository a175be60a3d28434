package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// exclusiveClusters are held by somebody, or by nobody.
type exclusiveClusters struct {
	fakeClusters
	heldBy   *cluster.Holder
	by       []string
	released int
	noted    []string
}

func (e *exclusiveClusters) Hold(_ context.Context, name string, by cluster.Holder, _ time.Duration, _ func(cluster.Holder)) (func(),
	error) {
	if e.heldBy != nil {
		return nil, &cluster.HeldError{Kind: "fake", Cluster: name, Holder: e.heldBy}
	}
	e.by = append(e.by, name+": "+by.What)
	return func() { e.released++ }, nil
}

func (e *exclusiveClusters) Note(name, run string) error {
	e.noted = append(e.noted, name+": "+run)
	return nil
}

func (e *exclusiveClusters) Holder(string) (*cluster.Holder, error) { return e.heldBy, nil }

var _ cluster.Exclusive = (*exclusiveClusters)(nil)

func TestARunHoldsItsCluster(t *testing.T) {
	t.Parallel()
	clusters := &exclusiveClusters{fakeClusters: fakeClusters{err: errors.New("none can be made")}}
	finished, err := Run(t.Context(), someOptions(t, clusters))
	if err != nil {
		t.Fatal(err)
	}
	id := runID("some-scenario", finished.Directory)
	if len(clusters.by) != 1 || clusters.by[0] != "c: run of some-scenario" || clusters.released != 1 || len(clusters.noted) != 1 ||
		clusters.noted[0] != "c: "+id {
		t.Errorf("held by %q, noted %q, released %d times; want once for run %s", clusters.by, clusters.noted, clusters.released, id)
	}
}

func TestARunOnAHeldClusterTouchesNothing(t *testing.T) {
	t.Parallel()
	clusters := &exclusiveClusters{heldBy: &cluster.Holder{Run: "r-1", PID: 7, Since: time.Now()}}
	options := someOptions(t, clusters)
	finished, err := Run(t.Context(), options)
	var held *cluster.HeldError
	if !errors.As(err, &held) || held.Holder.Run != "r-1" || finished.Directory != "" {
		t.Errorf("Run = %+v, %v; want that it is refused", finished, err)
	}
	for _, made := range []string{options.Runs, options.Active.Dir} {
		if _, err := os.Lstat(made); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it made %s, %v", made, err)
		}
	}
}

// A run that was killed is not cleaned up after while another run has its cluster: what it left is not told from what that does.
func TestNothingIsCleanedUpUnderARun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		heldBy  *cluster.Holder
		removed int
	}{
		"held": {heldBy: &cluster.Holder{Run: "r-2", PID: 7, Since: time.Now()}},
		"free": {removed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clusters := &exclusiveClusters{heldBy: tt.heldBy}
			clusters.opened = fakeCluster{}
			active := ActiveRuns{Dir: t.TempDir()}
			run, err := active.Register(ActiveRecord{RunID: "r-1", ClusterKind: "fake", ClusterName: "c", Making: true, Directory: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			run.Release()
			options := cleanUpOf(active, clusters)
			var said string
			options.Say = func(format string, args ...any) { said += fmt.Sprintf(format, args...) }
			err = CleanUpDead(t.Context(), options)
			if err != nil || len(clusters.removed) != tt.removed || clusters.released != tt.removed {
				t.Errorf("clean-up: %v, removed %v, released %d; want %d", err, clusters.removed, clusters.released, tt.removed)
			}
			if tt.heldBy != nil && !strings.Contains(said, "not cleaned up after now: the fake cluster c is held by run r-2") {
				t.Errorf("it says %q", said)
			}
		})
	}
}

package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// moment is all that would be left if a run were killed at a point: the cluster, and what the run had written to the harness's disk.
type moment struct {
	fakeworld.Moment
	point string
	dir   string // has the disks of the nodes, the run directory and the record of the active run
}

func (m moment) run() runner.Directory { return runner.Directory(filepath.Join(m.dir, "run")) }
func (m moment) active() runner.ActiveRuns {
	return runner.ActiveRuns{Dir: filepath.Join(m.dir, "active")}
}

// photographer keeps the moments of a run.
type photographer struct {
	world   *fakeworld.World
	options runner.Options
	dir     string

	mu      sync.Mutex
	moments []moment
	err     error
}

// take keeps the present moment.
func (p *photographer) take(_ context.Context, point string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := moment{point: point, dir: filepath.Join(p.dir, fmt.Sprint(len(p.moments)))}
	var err error
	m.Moment, err = p.world.Keep(filepath.Join(m.dir, "disks"))
	latest := filepath.Join(p.options.Runs, "latest")
	p.err = errors.Join(p.err, err, fakeworld.CopyTree(string(m.run()), latest), p.copyRecord(m))
	p.moments = append(p.moments, m)
}

// copyRecord copies the record of the run, which nobody holds then, as the process's end lets go of it.
func (p *photographer) copyRecord(m moment) error {
	found, err := filepath.Glob(filepath.Join(p.options.Active.Dir, "*.json"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("there are %d active runs: %w", len(found), err)
	}
	content, err := os.ReadFile(found[0])
	var record runner.ActiveRecord
	if err == nil {
		err = json.Unmarshal(content, &record)
	}
	if err != nil {
		return err
	}
	record.Directory = string(m.run())
	if content, err = json.Marshal(record); err == nil {
		err = os.MkdirAll(m.active().Dir, 0o700)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.active().Dir, filepath.Base(found[0])), content, 0o600)
}

// TestARunThatIsKilledAnywhereIsCleanedUp takes the state of all at each request by which a run changes something, and before and
// after each action on a machine, and cleans up after a run that was killed there.
func TestARunThatIsKilledAnywhereIsCleanedUp(t *testing.T) {
	t.Parallel()
	for name, makes := range map[string]bool{"on a cluster that was there": false, "on a cluster made for it": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			moments, makesAt := momentsOfARun(t, makes)
			checkAll(t, moments)
			if made := slices.Contains(makesAt, "has made the cluster"); made != makes {
				t.Errorf("the run has made its cluster: %t, want %t", made, makes)
			}
			for _, want := range []string{"make the cluster", "power-off begins", "power-off has ended", "power-on begins", "power-on has ended"} {
				if !slices.Contains(makesAt, want) {
					t.Errorf("the run never reached %q, only %q", want, makesAt)
				}
			}
		})
	}
}

// momentsOfARun returns the moments of a run that passes, and the names of the points.
func momentsOfARun(t *testing.T, makes bool) (moments []moment, points []string) {
	t.Helper()
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	w.SetGone(makes)
	o := optionsIn(t, w, planned(t, ""))
	p := &photographer{world: w, options: o, dir: t.TempDir()}
	w.Reached = p.take
	finished, err := runner.Run(t.Context(), o)
	if err := errors.Join(err, finished.Err, finished.LeftBehind, p.err); err != nil {
		t.Fatal(err)
	}
	for _, m := range p.moments {
		points = append(points, m.point)
	}
	return p.moments, points
}

// checkAll cleans up after each of the moments.
func checkAll(t *testing.T, moments []moment) {
	t.Helper()
	const atOnce = 16 // they wait most of the time
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, m := range moments {
		group.Go(func() error {
			checkKilled(t, m)
			return nil
		})
	}
	_ = group.Wait() // what is wrong was told
}

// checkKilled cleans up after a run that was killed at a moment, and checks that nothing is left. What it recorded is no pass unless it had
// recorded its end, after which there is only the cluster to remove.
func checkKilled(t *testing.T, m moment) {
	t.Helper()
	ended := slices.ContainsFunc(eventsOf(t, m.run()), func(e history.Event) bool { return e.Type == history.RunEnded })
	if report := judged(t, m.run()); report.Verdict == check.Pass && !ended {
		t.Errorf("killed at %q: the run passes", m.point)
	}
	w, end := m.Begin(t)
	defer end()
	err := runner.CleanUpDead(t.Context(), runner.CleanUpOptions{
		Active: m.active(), Clusters: w.Provider(),
		Confirm: func(question string) error { return fmt.Errorf("nobody is there to answer: %s", question) }, Say: func(string, ...any) {},
	})
	open, openErr := openIn(m.run(), m.active())
	left := append(w.Left(), open...)
	if w.SetGone(false) { // with all that was in it
		left = slices.DeleteFunc(open, func(what string) bool { return strings.HasPrefix(what, undoRecord) })
	}
	if errors.Join(err, openErr) != nil || len(left) > 0 {
		t.Errorf("killed at %q: the clean-up leaves %q: %v, %v", m.point, left, err, openErr)
	}
}

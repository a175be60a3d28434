package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// moment is all that would be left if a run were killed at a point: the cluster, and what the run had written to the harness's disk.
type moment struct {
	point    string
	api      *fakekube.API
	machines map[string]fakeMachine
	gone     bool   // there is no cluster
	dir      string // has the disks of the nodes, the run directory and the record of the active run
}

func (m moment) disks() string         { return filepath.Join(m.dir, "disks") }
func (m moment) run() runner.Directory { return runner.Directory(filepath.Join(m.dir, "run")) }
func (m moment) active() runner.ActiveRuns {
	return runner.ActiveRuns{Dir: filepath.Join(m.dir, "active")}
}

// photographer keeps the moments of a run.
type photographer struct {
	world   *fakeWorld
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
	m := moment{
		point: point, dir: filepath.Join(p.dir, fmt.Sprint(len(p.moments))),
		api: p.world.api.Clone(fakekube.Options{}), machines: map[string]fakeMachine{},
	}
	p.world.mu.Lock()
	for name, machine := range p.world.machines {
		m.machines[name] = *machine
	}
	m.gone = p.world.gone
	p.world.mu.Unlock()
	latest := filepath.Join(p.options.Runs, "latest")
	p.err = errors.Join(p.err, copyTree(m.disks(), p.world.disks), copyTree(string(m.run()), latest), p.copyRecord(m))
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

// copyTree copies a directory in which files may be written to, or vanish, at the same time.
func copyTree(to, from string) error {
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}

// worldAt lets the world go on from a moment. What ran then goes on to run, and nobody observes it.
func worldAt(t testing.TB, m moment) (w *fakeWorld, end func()) {
	t.Helper()
	w = &fakeWorld{
		disks: m.disks(), gone: m.gone, script: fakeScript{idle: true},
		machines: map[string]*fakeMachine{}, processes: map[types.UID]*fakeProcess{},
	}
	w.api = m.api.Clone(w.apiOptions())
	for name, machine := range m.machines {
		w.machines[name] = &machine
	}
	for _, pod := range all[corev1.Pod](w, fakekube.Pods()) {
		if machine := w.machines[pod.Spec.NodeName]; machine != nil && machine.Power == cluster.On && pod.Status.Phase == corev1.PodRunning {
			w.processes[pod.UID] = w.start(pod)
		}
	}
	return w, w.begin(t)
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
	w := newFakeWorld(t, fakeScript{working: untilLost})
	w.setGone(makes)
	o := optionsIn(t, w, planned(t, ""))
	p := &photographer{world: w, options: o, dir: t.TempDir()}
	w.reached = p.take
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
	w, end := worldAt(t, m)
	defer end()
	err := runner.CleanUpDead(t.Context(), runner.CleanUpOptions{
		Active: m.active(), Clusters: fakeClusters{world: w},
		ChaosMesh: func(cluster.Cluster) (runner.ChaosMesh, error) { return nil, errors.New("none") },
		Confirm:   func(question string) error { return fmt.Errorf("nobody is there to answer: %s", question) }, Say: func(string, ...any) {},
	})
	open, openErr := openIn(m.run(), m.active())
	left := append(leftIn(w), open...)
	if w.setGone(false) { // with all that was in it
		left = slices.DeleteFunc(open, func(what string) bool { return strings.HasPrefix(what, undoRecord) })
	}
	if errors.Join(err, openErr) != nil || len(left) > 0 {
		t.Errorf("killed at %q: the clean-up leaves %q: %v, %v", m.point, left, err, openErr)
	}
}

package testbed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// judgeEvery is how often an application that is watched is judged.
const judgeEvery = time.Second

// Watching says how long an application is watched, and who is told how it fares.
type Watching struct {
	For  time.Duration // zero: until the context ends, or the application
	Seen func(Seen)    // is called about once a second; may be nil
}

// Seen is how an application fares that is watched.
type Seen struct {
	Verdict check.RunVerdict // as if the watching ended now
	// Attached reports whether a driver was found. Incarnations counts the drivers since then, Executors those pods of theirs that run.
	Attached                bool
	DriverRuns              bool
	Incarnations, Executors int
}

// Watch records an application that somebody else starts, and judges it while it goes on and at the end, as Carry does. It changes nothing
// in the cluster.
func (t *Testbed) Watch(ctx context.Context, trial Trial, w Watching) (runner.Finished, check.RunVerdict, report.RunInfo, error) {
	with, run, err := t.planned(trial)
	if err != nil {
		return runner.Finished{}, check.RunVerdict{}, report.RunInfo{}, err
	}
	look, err := newLook(with.base.Own)
	if err != nil {
		return runner.Finished{}, check.RunVerdict{}, report.RunInfo{}, err
	}
	var wrong *cluster.OptionError
	if _, err := with.base.Clusters.Open(with.base.ClusterName); errors.As(err, &wrong) { // before there is a run directory
		return runner.Finished{}, check.RunVerdict{}, report.RunInfo{}, err
	}
	options := with.base
	options.Plan, options.Scenario = run.Plan, run.Scenario
	looking, stop := context.WithCancel(context.WithoutCancel(ctx))
	var telling sync.WaitGroup
	telling.Go(func() { look.tell(looking, w.Seen, t.settings.say) })
	finished, err := runner.Watch(ctx, options, runner.Watching{For: w.For, Observe: look.observe})
	stop()
	telling.Wait()
	if err != nil {
		return finished, check.RunVerdict{}, report.RunInfo{}, err
	}
	return judged(ctx, finished, options.Own)
}

// look judges a history that grows.
type look struct {
	mu         sync.Mutex
	evaluation *check.Evaluation
}

func newLook(own runner.Own) (*look, error) {
	evaluation, err := check.NewEvaluation(own.Invariants...)
	return &look{evaluation: evaluation}, err
}

func (l *look) observe(e *history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evaluation.Observe(e)
}

// seen judges what was observed so far.
func (l *look) seen() Seen {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.evaluation.Model()
	s := Seen{Verdict: l.evaluation.Verdict(check.Record{Open: true}), Attached: !m.Launched.Never()}
	all := m.Incarnations()
	s.Incarnations = len(all)
	for _, incarnation := range all {
		s.DriverRuns = s.DriverRuns || incarnation.Pod != nil && incarnation.Pod.Runs()
		for _, executor := range m.Executors(incarnation) {
			if executor.Runs() {
				s.Executors++
			}
		}
	}
	return s
}

// tell tells how the application fares until the context ends, and says each verdict of an invariant that changes.
func (l *look) tell(ctx context.Context, seen func(Seen), say func(line string)) {
	ticker := time.NewTicker(judgeEvery)
	defer ticker.Stop()
	said := map[string]check.Verdict{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := l.seen()
		if now.Attached {
			for _, line := range changes(said, now.Verdict.Results) {
				say(line)
			}
		}
		if seen != nil {
			seen(now)
		}
	}
}

// changes returns which verdicts differ from those that were said, and notes them. That an invariant cannot be judged yet is said of none.
func changes(said map[string]check.Verdict, results []check.Result) []string {
	var lines []string
	for _, r := range results {
		before, known := said[r.Invariant]
		if before == r.Verdict || !known && r.Verdict == check.Inconclusive {
			continue
		}
		said[r.Invariant] = r.Verdict
		lines = append(lines, fmt.Sprintf("%s: %s: %s", r.Invariant, r.Verdict, r.Message))
	}
	return lines
}

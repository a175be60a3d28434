package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// told tells what is awaited as a point that the run has reached.
type told struct {
	silent
	reached func(ctx context.Context, point string)
}

func (p told) Await(what string, _ time.Duration, _ func() string) func() {
	p.reached(nil, "await "+what)
	return func() {}
}

// interruptedIn runs a plan and interrupts it when it reaches a point. With ends, what the run does there continues only when it knows of
// the interrupt. The test fails if the run never reaches the point.
func interruptedIn(t *testing.T, w *fakeworld.World, o runner.Options, when func(point string) bool, ends bool) runner.Finished {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	reached := func(at context.Context, point string) {
		if ctx.Err() != nil || !when(point) {
			return
		}
		if interrupt(); ends && at != nil {
			<-at.Done()
		}
	}
	w.Reached, o.Progress = reached, told{reached: reached}
	image := o.Image
	o.Image = func(ctx context.Context, w scenario.Workload) (runner.Image, error) {
		reached(ctx, "image")
		return image(ctx, w)
	}
	finished, err := runner.Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() == nil {
		t.Fatalf("the run ended (%v) without reaching the point at which it was to be interrupted", finished.Err)
	}
	return finished
}

// failedPhase returns the first phase that ended with an error.
func failedPhase(t *testing.T, run runner.Directory) string {
	t.Helper()
	for _, event := range eventsOf(t, run) {
		var phase history.PhaseData
		if event.Type == history.PhaseEnded && json.Unmarshal(event.Data, &phase) == nil && phase.Error != "" {
			return phase.Phase
		}
	}
	return ""
}

// TestAnInterruptedRunLeavesNothingAndNeverPasses interrupts the run in each phase. A recovery that cannot be proven ends no phase by
// itself, so the next one meets the interrupt. From the phase recover on, all that was planned has been done, and an interrupt changes
// nothing.
func TestAnInterruptedRunLeavesNothingAndNeverPasses(t *testing.T) {
	t.Parallel()
	p := planned(t, "")
	exactly := func(want string) func(string) bool { return func(point string) bool { return point == want } }
	ofRun := func(begin, end string) func(string) bool {
		return func(point string) bool {
			return strings.HasPrefix(point, begin) && strings.HasSuffix(point, end) && !strings.Contains(point, "-base")
		}
	}
	ofBaseline := func(begin, end string) func(string) bool {
		return func(point string) bool {
			return strings.HasPrefix(point, begin) && strings.HasSuffix(point, "-base"+end)
		}
	}
	baselines := t.TempDir() // known from the first run on
	w := fakeworld.New(t, fakeworld.Script{})
	o := optionsIn(t, w, p)
	o.Baselines = baselines
	checkInterrupted(t, w, o, interruptedIn(t, w, o, ofRun("make /var", ""), true), runner.PhaseLaunch)
	for name, tt := range map[string]struct {
		when     func(point string) bool
		phase    string // that the interrupt ends; empty: none
		baseline bool   // it is not known yet
		holds    bool   // the second driver does not finish
	}{
		"as it begins":                  {when: exactly("image"), phase: runner.PhasePreflight},
		"when it asks for the cluster":  {when: exactly("make the cluster"), phase: runner.PhaseCluster},
		"when it launches the baseline": {when: ofBaseline("POST", "/jobs"), phase: runner.PhaseBaseline, baseline: true},
		"when it launches the workload": {when: ofRun("POST", "/jobs"), phase: runner.PhaseLaunch},
		"when it awaits the fault's anchor": {when: exactly("await step lose-driver-node/inject: at least 2 executors are registered"),
			phase: runner.PhaseFaults},
		"before the fault":      {when: exactly("power-off begins"), phase: runner.PhaseFaults},
		"right after the fault": {when: exactly("power-off has ended"), phase: runner.PhaseFaults},
		"when it awaits the recovery's": {when: exactly("await step lose-driver-node/recover: at least 2 executors are registered"),
			phase: runner.PhaseFaults},
		"before the recovery":           {when: exactly("power-on begins"), phase: runner.PhaseSettle},
		"right after the recovery":      {when: exactly("power-on has ended"), phase: runner.PhaseSettle},
		"when it settles":               {when: exactly("await the application to complete"), phase: runner.PhaseSettle, holds: true},
		"when all was done":             {when: exactly("await the phase recover")},
		"when it collects the evidence": {when: exactly("await the phase collect")},
		"when it begins to clean up":    {when: exactly("await the phase cleanup")},
		"when it removes its namespace": {when: ofRun("DELETE /api/v1/namespaces/driver", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fakeworld.New(t, fakeworld.Script{Working: func(ctx context.Context, namespace string, incarnation int) {
				fakeworld.UntilLost(ctx, namespace, incarnation)
				if tt.holds {
					<-ctx.Done()
				}
			}})
			o := optionsIn(t, w, p)
			if !tt.baseline {
				o.Baselines = baselines
			}
			checkInterrupted(t, w, o, interruptedIn(t, w, o, tt.when, tt.phase != ""), tt.phase)
		})
	}
}

// checkInterrupted checks what a run came to that was interrupted in a phase of its plan, or after all of them.
func checkInterrupted(t *testing.T, w *fakeworld.World, o runner.Options, finished runner.Finished, phase string) {
	t.Helper()
	checkNothingIsLeft(t, w, o, finished)
	report := judged(t, finished.Directory)
	if phase == "" {
		if finished.Err != nil || report.Verdict != check.Pass {
			t.Errorf("ended with %v, judged %s (%s); want a pass: all was done before", finished.Err, report.Verdict, report.Reason)
		}
		return
	}
	if !errors.Is(finished.Err, context.Canceled) || report.Verdict == check.Pass {
		t.Errorf("ended with %v, judged %s (%s); want an interrupt, and no pass", finished.Err, report.Verdict, report.Reason)
	}
	if got := failedPhase(t, finished.Directory); got != phase {
		t.Errorf("the interrupt ended the phase %q, want %q", got, phase)
	}
}

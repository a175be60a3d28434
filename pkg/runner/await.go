package runner

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// lookAgain is how often the runner polls what no watch reports.
const lookAgain = 500 * time.Millisecond

// seen is what was seen last, for progress; it is written and read by different goroutines.
type seen struct {
	mu   sync.Mutex
	text string
}

func newSeen(text string) *seen { return &seen{text: text} }

func (s *seen) set(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

// String returns what was seen last.
func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

// until polls until a look is done or failed, for atMost at most, and shows what was seen last.
func (r *run) until(ctx context.Context, what string, atMost time.Duration, look func(context.Context) await.Result) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	last := newSeen("")
	done := r.Progress.Await(what, atMost, last.String)
	defer done()
	return await.Until(ctx, lookAgain, func(ctx context.Context) await.Result {
		found := look(ctx)
		if reason := found.Reason(); reason != nil {
			last.set(reason.Error())
		}
		return found
	})
}

// awaited is the anchor of a step, with the time from which the run waits for it.
type awaited struct {
	*watched
	anchor   anchor.Anchor
	since    func(*model.Model) (since int64, begun bool) // see anchor.Anchor; the step is not to be taken before it has begun
	evidence []int64                                      // set when the wait is over
}

// awaitAnchor begins to wait for a step's anchor: from the begin of the history or, for a recovery, from the fault's injection.
func awaitAnchor(l *live, step *plan.Step, own []anchor.Kind) (*awaited, error) {
	known, err := anchor.New(*step.Anchor, own...)
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", step.ID, err)
	}
	a := &awaited{anchor: known, since: func(*model.Model) (int64, bool) { return 0, true }}
	if step.Action == plan.Recover {
		a.since = func(m *model.Model) (int64, bool) { return injection(m, step.Fault) }
	}
	a.watched = l.watch(a.look)
	return a, nil
}

// injection returns the event with which a fault's injection began.
func injection(m *model.Model, fault string) (int64, bool) {
	f := m.Fault(fault)
	if f == nil || f.Injecting.Never() {
		return 0, false
	}
	return f.Injecting.Seq, true
}

func (a *awaited) look(m *model.Model) (bool, error) {
	since, begun := a.since(m)
	if !begun {
		return false, nil
	}
	reached, evidence := a.anchor.Reached(m, since)
	a.evidence = evidence
	return reached, nil
}

// seen says what was seen so far.
func (a *awaited) seen() (text string) {
	a.live.read(func(m *model.Model) {
		since, _ := a.since(m)
		text = a.anchor.Seen(m, since)
	})
	return text
}

// completion returns the anchor of the end of an application that succeeded.
func completion() (anchor.Anchor, error) {
	const name = "applicationCompleted"
	entry, _ := scenario.Find(anchor.Entries(), name)
	return anchor.New(scenario.Choice{Name: name, Args: entry.Args()})
}

// failed reports whether the workload has ended without success, so that nothing waits for what can no longer happen.
func failed(m *model.Model) bool {
	if m.Launched.Never() {
		return false
	}
	if !m.Job().Failed.Never() {
		return true
	}
	if m.Workload.DriverKind != scenario.DriverPod {
		return false
	}
	for _, incarnation := range slices.Backward(m.Incarnations()) {
		if bare := incarnation.Pod; bare != nil {
			return !bare.Deleted.Never() || bare.Phase == string(corev1.PodFailed)
		}
	}
	return false
}

// pause waits for a delay of the plan.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

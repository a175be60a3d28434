package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// each shows every event of the history, those to come too, until the function says that it is enough. When the
// context ends by its own deadline, late says what that means; a cancelled context is returned as such.
func each(ctx context.Context, log *history.Writer, observe func(history.Event) (enough bool, err error), late func() error) error {
	return eachUpToNow(ctx, log, func(e history.Event, _ bool) (bool, error) { return observe(e) }, late)
}

// eachUpToNow is each for who must know whether an event is the last one so far.
func eachUpToNow(ctx context.Context, log *history.Writer, observe func(e history.Event, last bool) (enough bool, err error), late func() error) error {
	subscription, err := log.Subscribe()
	if err != nil {
		return err
	}
	defer subscription.Close()
	for {
		event, err := subscription.Next(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return late()
		}
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		if enough, err := observe(event, !subscription.Behind()); enough || err != nil {
			return err
		}
	}
}

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

// awaited is an anchor that is awaited, and asked what it saw meanwhile.
type awaited struct {
	step   string
	anchor anchor.Anchor
	last   *seen
}

func newAwaited(step string, choice scenario.Choice, since int64) (*awaited, error) {
	a, err := anchor.New(choice, since)
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", step, err)
	}
	return &awaited{step: step, anchor: a, last: newSeen(a.Seen())}, nil
}

func (a *awaited) observe(e history.Event) (bool, []int64) {
	reached, evidence := a.anchor.Observe(e)
	a.last.set(a.anchor.Seen())
	return reached, evidence
}

func (a *awaited) seen() string { return a.last.String() }

// applicationCompleted is the anchor that tells the end of an application that succeeded.
func applicationCompleted() scenario.Choice {
	const name = "applicationCompleted"
	entry, _ := scenario.Find(anchor.Entries(), name)
	return scenario.Choice{Name: name, Args: entry.Args()}
}

// failure recognises that a workload has ended without success, so that nobody waits for what cannot come.
type failure struct{ workload history.WorkloadData }

func newFailure() *failure { return &failure{} }

func (f *failure) observe(e history.Event) bool {
	if e.Source == history.Harness && e.Type == history.WorkloadLaunched {
		_ = json.Unmarshal(e.Data, &f.workload) // unreadable: nothing is recognised, and the deadline ends the wait
		return false
	}
	if e.Source != history.Kubernetes || e.Object == nil || f.workload.DriverUID == "" || e.Object.UID != f.workload.DriverUID {
		return false
	}
	switch e.Object.Kind {
	case "Job":
		var job batchv1.Job
		return json.Unmarshal(e.Data, &job) == nil && jobFailed(job)
	case "Pod":
		var pod corev1.Pod
		return e.Type == history.Deleted || json.Unmarshal(e.Data, &pod) == nil && pod.Status.Phase == corev1.PodFailed
	default:
		return false
	}
}

func jobFailed(job batchv1.Job) bool {
	for _, condition := range job.Status.Conditions {
		if condition.Type == batchv1.JobFailed && condition.Status == corev1.ConditionTrue {
			return true
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

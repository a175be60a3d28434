package runner

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// stepOf is a step that waits for an anchor.
func stepOf(t *testing.T, name string, deadline time.Duration) *plan.Step {
	t.Helper()
	entry, ok := scenario.Find(anchor.Entries(), name)
	if !ok {
		t.Fatalf("there is no anchor %s", name)
	}
	return &plan.Step{
		ID: "strike/inject", Fault: "strike", Action: plan.Inject,
		Anchor: &scenario.Choice{Name: name, Args: entry.Args()}, Deadline: scenario.Duration(deadline),
	}
}

// replayed is a run whose history tells the story up to a moment.
func replayed(t *testing.T, until time.Duration) *run {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.ndjson")
	log, live, err := createHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	content, err := historytest.PowerOff(map[string]any{}).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		var e history.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Offset > until {
			break
		}
		if _, err := log.Append(e.Source, e.Type, e.Object, e.Data); err != nil {
			t.Fatal(err)
		}
	}
	return &run{Options: Options{Harness: Harness{Progress: &fakeProgress{}}}, directory: Directory(filepath.Dir(path)), log: log, live: live}
}

// anchorEvents are the types of the events that are about anchors, and the last one's data.
func anchorEvents(t *testing.T, r *run) ([]string, history.AnchorData) {
	t.Helper()
	var types []string
	var last history.AnchorData
	_, events := readBack(t, r.directory.History())
	for _, e := range events {
		if e.Source != history.Harness || !strings.HasPrefix(e.Type, "anchor") {
			continue
		}
		types = append(types, e.Type)
		last = history.AnchorData{}
		if err := json.Unmarshal(e.Data, &last); err != nil {
			t.Fatal(err)
		}
	}
	return types, last
}

func TestAStepIsTakenAtItsAnchor(t *testing.T) {
	t.Parallel()
	r := replayed(t, 9*time.Second)
	reached, err := r.awaitStep(t.Context(), t.Context(), stepOf(t, "driverRunning", time.Minute))
	if err != nil || !reached {
		t.Fatalf("reached %v, %v", reached, err)
	}
	types, last := anchorEvents(t, r)
	if diff := cmp.Diff([]string{history.AnchorAwaited, history.AnchorReached}, types); diff != "" {
		t.Error(diff)
	}
	if last.Step != "strike/inject" || len(last.Evidence) == 0 {
		t.Errorf("reached by %+v, want the step and the events that show it", last)
	}
}

func TestAStepWhoseAnchorDoesNotComeSaysWhatWasSeen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		anchor   string
		deadline time.Duration
		cause    error
		says     string
	}{
		"in time": {anchor: "driverRescheduled", deadline: 20 * time.Millisecond, says: "incarnation 1"},
		"before the application ended": {anchor: "driverRescheduled", deadline: time.Minute, cause: errApplicationEnded,
			says: "the application has ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := replayed(t, 9*time.Second)
			waits, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tt.cause != nil {
				cancel(tt.cause)
			}
			reached, err := r.awaitStep(t.Context(), waits, stepOf(t, tt.anchor, tt.deadline))
			if err != nil || reached {
				t.Fatalf("reached %v, %v; want neither", reached, err)
			}
			types, last := anchorEvents(t, r)
			if diff := cmp.Diff([]string{history.AnchorAwaited, history.AnchorMissed}, types); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(last.Seen, tt.says) {
				t.Errorf("seen instead: %q, want %q", last.Seen, tt.says)
			}
		})
	}
}

func TestAnInterruptIsNoMissedAnchor(t *testing.T) {
	t.Parallel()
	r := replayed(t, 9*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if reached, err := r.awaitStep(ctx, ctx, stepOf(t, "driverRescheduled", time.Minute)); reached || !errors.Is(err, context.Canceled) {
		t.Errorf("reached %v, %v; want the interrupt", reached, err)
	}
	if types, _ := anchorEvents(t, r); len(types) != 1 {
		t.Errorf("the history tells %v, want only that the anchor was awaited", types)
	}
}

func TestWaitsEndALittleAfterTheApplication(t *testing.T) {
	t.Parallel()
	r := replayed(t, time.Hour)
	waits, stop := r.whileApplicationRuns(t.Context())
	defer stop()
	select {
	case <-waits.Done():
		if cause := context.Cause(waits); !errors.Is(cause, errApplicationEnded) {
			t.Errorf("ended by %v", cause)
		}
	case <-time.After(10 * graceAfterEnd):
		t.Error("still waiting though the application has ended")
	}
}

func TestAwaitEnding(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		until time.Duration
		want  ending
	}{
		"completed": {until: time.Hour, want: ending{completed: true, within: time.Second}},
		"runs on":   {until: 9 * time.Second, want: ending{within: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := replayed(t, tt.until)
			got, err := (&session{run: r, log: r.log, live: r.live}).awaitEnding(t.Context(), time.Second, nil)
			if err != nil || got != tt.want {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

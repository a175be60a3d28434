package faults

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// fakeKinds knows the undo of a fake beside the others.
func fakeKinds(undoing Undoing) UndoKinds {
	return append(testUndos(), UndoKind{Name: "fake", Decode: func(Record) (Undoing, error) { return undoing, nil }})
}

// newFake makes a disturbance of a fault that undoes itself.
func newFake(t *testing.T, w *world, fault interface {
	Fault
	Undoing
}) *Disturbance {
	t.Helper()
	w.env.Journal.kinds = fakeKinds(fault)
	d, err := NewDisturbance("f", "fake", struct{}{}, fault, w.env)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADisturbanceSaysWhatItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := newFake(t, w, &fakeFault{})
	if d.Name() != "f" || d.Describe() != "a fake" || d.Rank() != 0 {
		t.Errorf("got name %q, %q, rank %d", d.Name(), d.Describe(), d.Rank())
	}
	d.target.Undo.Kind = "late"
	if d.Rank() != 1 {
		t.Errorf("what is undone last has the rank %d, want 1", d.Rank())
	}
	if err := d.Preflight(t.Context()); err != nil {
		t.Errorf("a fault that looks at nothing: %v", err)
	}
}

func TestNewDisturbanceRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if d, err := NewDisturbance("lose", "fake", func() {}, &fakeFault{}, w.env); err == nil ||
		!strings.Contains(err.Error(), "fault lose: arguments: ") {
		t.Errorf("arguments that have no JSON: got %v and %v, want an error that names the fault", d, err)
	}
}

// TestErrorsTellTheirCause unwraps what the steps return.
func TestErrorsTellTheirCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := newFake(t, w, &fakeFault{undo: errBroken})
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Recover(t.Context()); !errors.Is(err, errBroken) ||
		!strings.Contains(err.Error(), "fault f was not recovered: "+errBroken.Error()) {
		t.Errorf("got %v, want the cause", err)
	}
	if err := newFake(t, newWorld(t), &fakeFault{inject: errBroken}).Inject(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the cause", err)
	}
}

// TestWhoMayNotActDoesNothing forbids to act from a certain question on.
func TestWhoMayNotActDoesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		from   int // the number of the question that is answered with no, counted from 1
		events []string
		state  State // after injection and recovery
		did    []string
		open   int
	}{
		{"before the record", 1, []string{"didNotLand", "recovering", "recovered"}, Recovered, nil, 0},
		{"before the injection: the record is closed again", 2, []string{"journaled", "injecting", "didNotLand", "recovering", "recovered"},
			Recovered, nil, 0},
		{"before the recovery: the record stays open", 3, []string{"journaled", "injecting", "landed", "recovering", "notRecovered"},
			NotRecovered, []string{"inject"}, 1},
		{"never", 9, []string{"journaled", "injecting", "landed", "recovering", "recovered"}, Recovered, []string{"inject", "recover"}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			asked := 0
			w.env.MayAct = func(context.Context) error {
				if asked++; asked >= test.from {
					return errBroken
				}
				return nil
			}
			fault := &noting{}
			d := newFake(t, w, fault)
			err := errors.Join(d.Inject(t.Context()), d.Recover(t.Context()))
			if (err == nil) != (test.from == 9) || err != nil && (!errors.Is(err, errBroken) || !strings.Contains(err.Error(), "nothing was done")) {
				t.Errorf("got %v, want the reason", err)
			}
			if diff := cmp.Diff(test.events, w.emitter.Types()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.did, fault.did); diff != "" || d.State() != test.state || len(w.open(t)) != test.open {
				t.Errorf("state %s, %d open records; what was done (-want +got):\n%s", d.State(), len(w.open(t)), diff)
			}
		})
	}
}

// noting is a fault that notes what it is asked to do.
type noting struct {
	fakeFault
	did []string
}

func (f *noting) Inject(ctx context.Context, env Env, target Target) (Effect, error) {
	f.did = append(f.did, "inject")
	return f.fakeFault.Inject(ctx, env, target)
}

func (f *noting) Do(ctx context.Context, env UndoEnv) (Effect, error) {
	f.did = append(f.did, "recover")
	return f.fakeFault.Do(ctx, env)
}

// TestWhenAnInjectionBegan compares the times in the events with the harness's clock.
func TestWhenAnInjectionBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w.env.Now = func() time.Time { return now }
	d := newFake(t, w, &fakeFault{})
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, eventType := range []string{"injecting", "landed"} {
		if got := w.emitter.Data(t, eventType).Began; got == nil || !got.Equal(now) {
			t.Errorf("%s: began %v, want %s: the fault itself gave no time", eventType, got, now)
		}
	}
}

// TestAnAbandonedInjectionLeavesNothing refuses the event that comes before the injection.
func TestAnAbandonedInjectionLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.emitter.Refuse = "injecting"
	d := newFake(t, w, &fakeFault{})
	err := d.Inject(t.Context())
	if !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the history's error", err)
	}
	data := w.emitter.Data(t, "didNotLand")
	if data.Began != nil || !strings.Contains(data.Reason, "the history does not say so") {
		t.Errorf("began %v, reason %q; want that nothing had begun, and why", data.Began, data.Reason)
	}
	if err := d.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.emitter.Data(t, "recovered").Reason; got != "nothing was done to the target" {
		t.Errorf("recovered: %q, want that nothing was done", got)
	}
}

// TestARefusedEventIsTold refuses the event that reports the failure itself.
func TestARefusedEventIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.emitter.Refuse = "didNotLand"
	other := errors.New("the node is gone")
	err := newFake(t, w, &fakeFault{landed: other}).Inject(t.Context())
	var notLanded *NotLandedError
	if !errors.As(err, &notLanded) || !errors.Is(err, other) || !errors.Is(err, errBroken) {
		t.Errorf("got %v, want both causes", err)
	}
	w = newWorld(t)
	if err := newFake(t, w, &fakeFault{landed: other}).Inject(t.Context()); !errors.As(err, &notLanded) || errors.Is(err, errBroken) ||
		strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one cause", err)
	}
}

// TestATargetWithoutNameIsNotTold resolves nothing.
func TestATargetWithoutNameIsNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_ = newFake(t, w, &fakeFault{resolve: errBroken}).Inject(t.Context())
	if targets := w.emitter.Data(t, "didNotLand").Targets; targets != nil {
		t.Errorf("targets %v, want none: nothing was found", targets)
	}
}

// unprovable has evidence that cannot be told.
type unprovable struct{ fakeFault }

func (unprovable) ProveLanded(context.Context, Env, Target, Effect) (Proof, error) {
	return Proof{Before: func() {}}, nil
}

func TestEvidenceThatCannotBeTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := newFake(t, w, &unprovable{})
	if err := d.Inject(t.Context()); err == nil || !strings.Contains(err.Error(), "fault f: evidence: ") {
		t.Errorf("got %v, want an error that names the fault", err)
	}
	if d.State() != Landed || w.emitter.Data(t, "landed").Evidence != nil {
		t.Errorf("state %s, evidence %s; want that it landed, without evidence", d.State(), w.emitter.Data(t, "landed").Evidence)
	}
}

// lapsing is a fault that does not hold.
type lapsing struct {
	fakeFault
	loud    bool
	mu      sync.Mutex
	holding error
	looks   int
}

func (f *lapsing) Loud() bool { return f.loud }
func (f *lapsing) Holding(context.Context, Env, Target) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return f.holding
}

func (f *lapsing) seen(instead error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.holding = instead
}

// TestAFaultIsWatchedUntilItIsUndone has a fault end by itself, and be seen again afterwards: an application that is not disturbed any more
// may be done before the fault is to be undone, and what it was seen by is gone.
func TestAFaultIsWatchedUntilItIsUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env.WatchEvery = time.Millisecond
	fault := &lapsing{}
	d := newFake(t, w, fault)
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	fault.seen(SeenInstead("the node runs"))
	d.watch.lapsed <- <-d.watch.lapsed
	fault.seen(nil)
	if err := d.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := w.emitter.Data(t, history.FaultRecovering).Detail[history.DidNotHold]
	if !strings.Contains(said, "the node runs") || !strings.Contains(said, "after it had landed") {
		t.Errorf("it is told that it did not hold: %q", said)
	}
}

// TestALoudFaultIsLookedAtOnceMoreOnly looks when it is about to be undone.
func TestALoudFaultIsLookedAtOnceMoreOnly(t *testing.T) {
	t.Parallel()
	fault := &lapsing{loud: true}
	d := newFake(t, newWorld(t), fault)
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(d.watch.lapsed) != 1 {
		t.Error("somebody looks meanwhile")
	}
	if why := d.watch.end(t.Context()); why != "" || fault.looks != 1 {
		t.Errorf("%q, %d looks at the end", why, fault.looks)
	}
}

func TestAFaultThatDoesNotHoldIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		holding error
		want    bool
	}{
		"it does not hold":   {&insteadError{words: "the node runs"}, true},
		"it holds":           {nil, false},
		"nobody can look":    {errBroken, false},
		"another does not, ": {errors.Join(errBroken, &insteadError{words: "the node runs"}), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := newFake(t, w, &lapsing{holding: c.holding, fakeFault: fakeFault{undo: errBroken}})
			if err := d.Inject(t.Context()); err != nil {
				t.Fatal(err)
			}
			_ = d.Recover(t.Context())
			got, told := w.emitter.Data(t, "recovering").Detail[history.DidNotHold]
			if told != c.want || told && !strings.Contains(got, "the node runs") {
				t.Errorf("told %v, %q; want %v", told, got, c.want)
			}
			_ = d.Recover(t.Context()) // again: the first one failed
			var again []bool
			for _, event := range w.emitter.Events {
				if event.Type == "recovering" {
					again = append(again, strings.Contains(string(event.Data), history.DidNotHold))
				}
			}
			if diff := cmp.Diff([]bool{c.want, false}, again); diff != "" {
				t.Errorf("told of each recovery (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHoldsOnlyWhileItIsThere asks before, during and after.
func TestHoldsOnlyWhileItIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := newFake(t, w, &fakeFault{})
	d.effects = []history.Effect{history.SilencesNode}
	holds := func() [2]bool { return [2]bool{d.Holds("worker-1"), d.Holds("worker-2")} }
	if got := holds(); got != [2]bool{} {
		t.Errorf("before: %v", got)
	}
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := holds(); got != [2]bool{true, false} {
		t.Errorf("landed: %v", got)
	}
	d.effects = []history.Effect{history.EndsPods}
	if got := holds(); got != [2]bool{} {
		t.Errorf("without that effect: %v", got)
	}
	d.effects = []history.Effect{history.SilencesNode}
	if err := d.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := holds(); got != [2]bool{} {
		t.Errorf("after: %v", got)
	}
	w = newWorld(t)
	d = newFake(t, w, &fakeFault{inject: errBroken})
	d.effects = []history.Effect{history.SilencesNode}
	_ = d.Inject(t.Context())
	if !d.Holds("worker-1") {
		t.Error("one that did not land may hold in part")
	}
	d.record = nil
	if d.Holds("worker-1") {
		t.Error("without a record nothing was done")
	}
}

// TestCleanUpGoesOnUntilItIsDone fails the undoing once.
func TestCleanUpGoesOnUntilItIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fault := &fakeFault{undo: errBroken}
	d := newFake(t, w, fault)
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.CleanUp(t.Context()); !errors.Is(err, errBroken) || d.State() != NotRecovered {
		t.Errorf("got %v in state %s, want the cause", err, d.State())
	}
	fault.undo = nil
	for range 2 {
		if err := d.CleanUp(t.Context()); err != nil || d.State() != CleanedUp {
			t.Errorf("got %v in state %s, want that it is clean", err, d.State())
		}
	}
	if diff := cmp.Diff([]string{"journaled", "injecting", "landed", "recovering", "notRecovered", "recovering", "recovered"},
		w.emitter.Types()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestCleanUpWhileInjecting leaves alone what a step has in its hands, as after a step that panicked.
func TestCleanUpWhileInjecting(t *testing.T) {
	t.Parallel()
	for _, state := range []State{Journaled, Injecting} {
		d := newFake(t, newWorld(t), &fakeFault{})
		d.state = state
		if err := d.CleanUp(t.Context()); err != nil || d.State() != state {
			t.Errorf("%s: got %v, then %s", state, err, d.State())
		}
	}
}

func TestStatesAreInTheOrderOfALife(t *testing.T) {
	t.Parallel()
	want := []State{"planned", "journaled", "injecting", "landed", "didNotLand", "recovering", "recovered", "notRecovered", "cleanedUp"}
	if diff := cmp.Diff(want, States()); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	var active []State
	for _, state := range States() {
		if state.Active() {
			active = append(active, state)
		}
	}
	if diff := cmp.Diff([]State{Injecting, Landed, DidNotLand, Recovering, NotRecovered}, active); diff != "" {
		t.Errorf("active states (-want +got):\n%s", diff)
	}
}

package faults

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// fakeFault fails where it is told to.
type fakeFault struct {
	resolve, inject, landed, undo, recovered error
	began                                    time.Time
}

func (f *fakeFault) Describe() string        { return "a fake" }
func (f *fakeFault) Needs() []cluster.Action { return []cluster.Action{cluster.PowerOff} }
func (f *fakeFault) Resolve(context.Context, Env) (Target, error) {
	if f.resolve != nil {
		return Target{}, f.resolve
	}
	return Target{Object: history.Object{Kind: "Node", Name: "worker-1"}, Node: "worker-1", Undo: Undo{Kind: "fake"}}, nil
}
func (f *fakeFault) Inject(context.Context, Env, Target) (Effect, error) {
	return Effect{Began: f.began}, f.inject
}
func (f *fakeFault) ProveLanded(context.Context, Env, Target, Effect) (Proof, error) {
	return Proof{Evidence: cluster.Evidence{Action: cluster.PowerOff}, Detail: map[string]string{"k": "v"}}, f.landed
}
func (f *fakeFault) Do(context.Context, UndoEnv) (Effect, error) { return Effect{}, f.undo }
func (f *fakeFault) Validate() error                             { return nil }
func (f *fakeFault) Conflicts(Undoing) string                    { return "" }
func (f *fakeFault) Look(context.Context, UndoEnv) error         { return nil }
func (f *fakeFault) ProveRecovered(context.Context, Env, Target, Effect) (Proof, error) {
	return Proof{}, f.recovered
}

func TestEveryFailureOfEveryStep(t *testing.T) {
	t.Parallel()
	const (
		journaled, injecting, landed, didNotLand = history.FaultJournaled, history.FaultInjecting, history.FaultLanded, history.FaultDidNotLand
		recovering, recovered, notRecovered      = history.FaultRecovering, history.FaultRecovered, history.FaultNotRecovered
	)
	tests := []struct {
		name   string
		fault  fakeFault
		refuse string // events of this type are refused by the history
		events []string
		states [3]State // after Inject, Recover, CleanUp
		open   int      // undo records afterwards
	}{
		{
			name:   "all well",
			events: []string{journaled, injecting, landed, recovering, recovered},
			states: [3]State{Landed, Recovered, CleanedUp},
		},
		{
			name: "no target", fault: fakeFault{resolve: errBroken},
			events: []string{didNotLand, recovering, recovered},
			states: [3]State{DidNotLand, Recovered, CleanedUp},
		},
		{
			name: "injection fails half-way", fault: fakeFault{inject: errBroken},
			events: []string{journaled, injecting, didNotLand, recovering, recovered},
			states: [3]State{DidNotLand, Recovered, CleanedUp},
		},
		{
			name: "landing cannot be proven", fault: fakeFault{landed: errBroken},
			events: []string{journaled, injecting, didNotLand, recovering, recovered},
			states: [3]State{DidNotLand, Recovered, CleanedUp},
		},
		{
			name: "undoing fails, also when cleaning up", fault: fakeFault{undo: errBroken},
			events: []string{journaled, injecting, landed, recovering, notRecovered, recovering, notRecovered},
			states: [3]State{Landed, NotRecovered, NotRecovered}, open: 1,
		},
		{
			name: "recovery cannot be proven", fault: fakeFault{recovered: errBroken},
			events: []string{journaled, injecting, landed, recovering, notRecovered, recovering, notRecovered},
			states: [3]State{Landed, NotRecovered, NotRecovered}, open: 1,
		},
		{
			name: "neither landed nor undone", fault: fakeFault{inject: errBroken, undo: errBroken},
			events: []string{journaled, injecting, didNotLand, recovering, notRecovered, recovering, notRecovered},
			states: [3]State{DidNotLand, NotRecovered, NotRecovered}, open: 1,
		},
		{
			name: "history refuses journaled", refuse: journaled,
			events: []string{didNotLand, recovering, recovered},
			states: [3]State{DidNotLand, Recovered, CleanedUp},
		},
		{
			name: "history refuses injecting", refuse: injecting,
			events: []string{journaled, didNotLand, recovering, recovered},
			states: [3]State{DidNotLand, Recovered, CleanedUp},
		},
		{
			name: "history refuses landed", refuse: landed,
			events: []string{journaled, injecting, recovering, recovered},
			states: [3]State{Landed, Recovered, CleanedUp},
		},
		{
			name: "history refuses didNotLand", refuse: didNotLand, fault: fakeFault{landed: errBroken},
			events: []string{journaled, injecting, recovering, recovered},
			states: [3]State{DidNotLand, Recovered, CleanedUp},
		},
		{
			name: "history refuses recovering: it is undone all the same", refuse: recovering,
			events: []string{journaled, injecting, landed, recovered},
			states: [3]State{Landed, Recovered, CleanedUp},
		},
		{
			name: "history refuses recovered", refuse: recovered,
			events: []string{journaled, injecting, landed, recovering},
			states: [3]State{Landed, Recovered, CleanedUp},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.emitter.Refuse = test.refuse
			d := newFake(t, w, &test.fault)
			var states [3]State
			injected := d.Inject(t.Context())
			states[0] = d.State()
			recovery := d.Recover(t.Context())
			states[1] = d.State()
			cleaning := d.CleanUp(t.Context())
			states[2] = d.State()
			if diff := cmp.Diff(test.states, states); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.events, w.emitter.Types()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if got := len(w.open(t)); got != test.open {
				t.Errorf("%d undo records are open, want %d", got, test.open)
			}
			var notLanded *NotLandedError
			if errors.As(injected, &notLanded) != (states[0] == DidNotLand) {
				t.Errorf("Inject: %v in state %s", injected, states[0])
			}
			var notRecovered *NotRecoveredError
			if errors.As(recovery, &notRecovered) != (states[1] == NotRecovered) {
				t.Errorf("Recover: %v in state %s", recovery, states[1])
			}
			if (cleaning == nil) != (states[2] == CleanedUp) {
				t.Errorf("CleanUp: %v in state %s", cleaning, states[2])
			}
			if lost := errors.Join(injected, recovery); test.refuse != "" && !errors.Is(lost, errBroken) {
				t.Errorf("an event was lost and nobody said so: %v", lost)
			}
		})
	}
}

func TestCleanUpRecoversWhatIsActive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fault  fakeFault
		inject bool
		events []string
	}{
		{name: "planned: nothing to do"},
		{name: "landed", inject: true, events: []string{"journaled", "injecting", "landed", "recovering", "recovered"}},
		{name: "did not land: undone to be sure", fault: fakeFault{inject: errBroken}, inject: true,
			events: []string{"journaled", "injecting", "didNotLand", "recovering", "recovered"}},
		{name: "no target: nothing was done", fault: fakeFault{resolve: errBroken}, inject: true, events: []string{"didNotLand"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := newFake(t, w, &test.fault)
			if test.inject {
				_ = d.Inject(t.Context())
			}
			for range 2 {
				if err := d.CleanUp(t.Context()); err != nil || d.State() != CleanedUp {
					t.Errorf("clean-up: %v, state %s", err, d.State())
				}
			}
			if diff := cmp.Diff(test.events, w.emitter.Types()); diff != "" {
				t.Error(diff)
			}
			if left := w.open(t); len(left) > 0 {
				t.Errorf("open undo records: %v", left)
			}
		})
	}
}

func TestIllegalSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := newFake(t, w, &fakeFault{})
	expectIllegal := func(step string, err error) {
		t.Helper()
		var illegal *TransitionError
		if !errors.As(err, &illegal) {
			t.Errorf("%s: got %v, want a TransitionError", step, err)
		}
	}
	expectIllegal("recover before inject", d.Recover(t.Context()))
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectIllegal("inject twice", d.Inject(t.Context()))
	if err := d.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectIllegal("recover twice", d.Recover(t.Context()))
	expectIllegal("inject after recovery", d.Inject(t.Context()))
	if err := d.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectIllegal("inject after clean-up", d.Inject(t.Context()))
	expectIllegal("recover after clean-up", d.Recover(t.Context()))
	if diff := cmp.Diff([]string{"journaled", "injecting", "landed", "recovering", "recovered"}, w.emitter.Types()); diff != "" {
		t.Error(diff)
	}
}

func TestEventsCarryBeganTargetAndDetail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fault := &fakeFault{began: began}
	w.env.Journal.kinds = fakeKinds(fault)
	d, err := NewDisturbance("f", "fake", map[string]int{"a": 1}, fault, w.env)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Inject(t.Context()), d.Recover(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := w.emitter.Data(t, "journaled").Began; got != nil {
		t.Errorf("journaled: began at %s, though nothing had begun", got)
	}
	landed := w.emitter.Data(t, "landed")
	landed.Evidence = nil
	want := history.FaultData{
		Fault: "f", Kind: "fake", Began: &began, Args: []byte(`{"a":1}`), Detail: map[string]string{"k": "v"},
		Targets: []history.Object{{Kind: "Node", Name: "worker-1"}},
	}
	if diff := cmp.Diff(want, landed); diff != "" {
		t.Error(diff)
	}
	if got := w.emitter.Data(t, "recovered").Began; got == nil || !got.Equal(began) {
		t.Errorf("recovered: began %v, want %s", got, began)
	}
}

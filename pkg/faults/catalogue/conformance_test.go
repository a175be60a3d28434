package catalogue_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// newWorld knows all faults.
func newWorld(t *testing.T) *faultstest.World { return faultstest.New(t, catalogue.All()...) }

// TestConformance holds every registered fault to the contract.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, kind := range catalogue.All().Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			args := kind.Example()
			conformEntry(t, kind, args)
			for _, by := range kind.By {
				conformSteps(t, kind.Name, by, args)
				conformLife(t, kind.Name, by, args)
				conformNoEffect(t, kind.Name, by, args)
				conformNoTarget(t, kind.Name, by, args)
				conformCrash(t, kind.Name, by, args)
			}
		})
	}
}

func conformEntry(t *testing.T, kind faults.Kind, args any) {
	t.Helper()
	if kind.Doc == "" || kind.Phrase(args) == "" {
		t.Error("the fault does not describe itself")
	}
	if problems := kind.Check(args); len(problems) > 0 {
		t.Errorf("good arguments are refused: %v", problems)
	}
	if problems := kind.Check(kind.Args()); len(problems) == 0 {
		t.Error("arguments that select nothing are accepted")
	}
	for _, bad := range []any{nil, struct{}{}, "x"} {
		if problems := kind.Check(bad); len(problems) == 0 {
			t.Errorf("arguments of type %T are accepted", bad)
		}
		if _, err := kind.New("", bad); err == nil {
			t.Errorf("a fault is made of arguments of type %T", bad)
		}
		if kind.Phrase(bad) == "" || kind.Needs(bad) != nil {
			t.Errorf("arguments of type %T have phrase %q, needs %v", bad, kind.Phrase(bad), kind.Needs(bad))
		}
	}
	if _, ok := args.(interface {
		Choose(int, func(int) int)
	}); !ok {
		t.Error("the plan cannot choose what the arguments leave open")
	}
}

// conformSteps calls the steps by themselves: those that only look change nothing, and proofs can fail.
func conformSteps(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).Suiting(kind)
	fault, err := catalogue.All().New(kind, by, args)
	if err != nil {
		t.Fatal(err)
	}
	target, err := fault.Resolve(t.Context(), w.Env)
	if err != nil || target.Object.Name == "" || target.Object.UID == "" || target.Node != "worker-1" {
		t.Fatalf("resolve: %+v, %v", target, err)
	}
	if entry, _ := scenario.Find(catalogue.All().Entries(), kind); entry.Instant == undoable(t, target) {
		t.Errorf("instant is %t, but what it does is to be undone: %t", entry.Instant, undoable(t, target))
	}
	before, _ := w.Cluster.Nodes(t.Context())
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := fault.ProveLanded(short, w.Env, target, faults.Effect{Observations: []cluster.Observation{{What: "x"}}}); err == nil {
		t.Error("the landing is proven of a target that was not touched")
	}
	after, _ := w.Cluster.Nodes(t.Context())
	if diff := cmp.Diff(before, after); diff != "" || len(w.Cluster.Did()) > 0 || faultstest.Changes(w) > 0 {
		t.Errorf("looking changed something: %s", diff)
	}
	effect, err := fault.Inject(t.Context(), w.Env, target)
	if err != nil || effect.Began.IsZero() {
		t.Fatalf("inject: %+v, %v", effect, err)
	}
	if undoable(t, target) {
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if _, err := fault.ProveRecovered(short, w.Env, target, effect); err == nil {
			t.Error("the recovery is proven while the fault is in effect")
		}
	}
	for round := range 2 {
		if effect, err = w.Undo(t, target); err != nil {
			t.Errorf("recover, round %d: %v", round, err)
		}
	}
	proof, err := fault.ProveRecovered(t.Context(), w.Env, target, effect)
	if err != nil || len(proof.Observations) == 0 {
		t.Errorf("recovery: %+v, %v", proof, err)
	}
}

// undoable reports whether a fault leaves an effect that has to be undone. What has hit once leaves a resource at most.
func undoable(t *testing.T, target faults.Target) bool {
	t.Helper()
	if target.Undo.IsZero() {
		return false
	}
	var data struct{ OneShot bool }
	if err := json.Unmarshal(target.Undo.Data, &data); err != nil {
		t.Fatal(err)
	}
	return !data.OneShot
}

func conformLife(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).Suiting(kind)
	d := w.DisturbanceBy(t, "f", kind, by, args)
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	landed := w.Emitter.Data(t, "landed")
	if landed.Began == nil || len(landed.Evidence) == 0 || len(landed.Targets) != 1 {
		t.Errorf("landed: %+v", landed)
	}
	if err := errors.Join(d.Recover(t.Context()), d.CleanUp(t.Context())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"journaled", "injecting", "landed", "recovering", "recovered"}, w.Emitter.Types()); diff != "" {
		t.Error(diff)
	}
	for _, event := range w.Emitter.Types() {
		if len(w.Emitter.Data(t, event).Effects) == 0 {
			t.Errorf("event %s does not say what the fault does to what runs on its target", event)
		}
	}
	if left := w.Open(t); len(left) > 0 {
		t.Errorf("open undo records: %v", left)
	}
}

// conformNoEffect lets the injection do nothing and say that all went well.
func conformNoEffect(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).Suiting(kind)
	w.Env.LandWithin = 200 * time.Millisecond
	for _, action := range cluster.Actions() {
		w.Cluster.Mute[action] = true
	}
	w.Chaos.Mute = true
	w.API.IgnoreDeletions()
	w.API.IgnoreNodeUpdates()
	fault, err := catalogue.All().New(kind, by, args)
	if err != nil {
		t.Fatal(err)
	}
	d, err := faults.NewDisturbance("f", kind, args, faultstest.Impatient{Fault: fault}, w.Env)
	if err != nil {
		t.Fatal(err)
	}
	var notLanded *faults.NotLandedError
	if err := d.Inject(t.Context()); !errors.As(err, &notLanded) {
		t.Errorf("an injection without effect landed: %v", err)
	}
	if err := d.CleanUp(t.Context()); err != nil {
		t.Error(err)
	}
}

func conformNoTarget(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).Suiting(kind)
	w.Env.Targets = faultstest.Targets{Err: faultstest.ErrBroken}
	d := w.DisturbanceBy(t, "f", kind, by, args)
	if err := d.Inject(t.Context()); !errors.Is(err, faultstest.ErrBroken) {
		t.Errorf("got %v, want %v", err, faultstest.ErrBroken)
	}
	if err := d.CleanUp(t.Context()); err != nil || len(w.Cluster.Did()) > 0 || faultstest.Changes(w) > 0 {
		t.Errorf("without a target something was done: %v, %v", w.Cluster.Did(), err)
	}
}

// conformCrash ends the harness after the landing: another process undoes it by the journal alone.
func conformCrash(t *testing.T, kind, by string, args any) {
	t.Helper()
	w := newWorld(t).Suiting(kind)
	before, _ := w.Cluster.Nodes(t.Context())
	if err := w.DisturbanceBy(t, "f", kind, by, args).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"f"}, w.Open(t)); diff != "" {
		t.Error(diff)
	}
	if _, err := w.Cleaner().UndoPending(t.Context(), w.Dir); err != nil {
		t.Error(err)
	}
	after, _ := w.Cluster.Nodes(t.Context())
	for i := range after {
		after[i].BootID = before[i].BootID
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if left := w.Open(t); len(left) > 0 {
		t.Errorf("open undo records: %v", left)
	}
}

func TestUnknownKind(t *testing.T) {
	t.Parallel()
	_, err := catalogue.All().New("nodeExplode", "", nil)
	var names []string
	for _, kind := range catalogue.All().Kinds() {
		names = append(names, kind.Name)
	}
	want := `fault "nodeExplode" is unknown: expected one of ` + strings.Join(names, ", ")
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := len(catalogue.All().Entries()); got != len(catalogue.All().Kinds()) {
		t.Errorf("%d entries of %d kinds", got, len(catalogue.All().Kinds()))
	}
}

func TestMachinesAreUndoneBeforeResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.Disturbance(t, "off", "nodePowerOff", w.Example(t, "nodePowerOff")).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Disturbance(t, "fail", "podFailure", w.Example(t, "podFailure")).Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	undone, err := w.Cleaner().UndoPending(t.Context(), w.Dir)
	if err != nil || len(undone) != 2 || undone[0].Record.Fault != "off" || undone[1].Record.Fault != "fail" {
		t.Errorf("undone %+v, %v", undone, err)
	}
}

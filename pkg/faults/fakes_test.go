package faults

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

var errBroken = errors.New("broken on purpose")

// fakeMachines can do everything, and do nothing.
type fakeMachines struct{}

func (fakeMachines) Name() string                                  { return "test" }
func (fakeMachines) Can() []cluster.Action                         { return cluster.Actions() }
func (fakeMachines) Nodes(context.Context) ([]cluster.Node, error) { return nil, nil }
func (fakeMachines) Do(context.Context, cluster.Action, string) (cluster.Evidence, error) {
	return cluster.Evidence{}, errBroken
}

// world is what a disturbance works with, without any real fault: those are tested in their families.
type world struct {
	emitter *historytest.Emitter
	env     Env
	dir     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{emitter: &historytest.Emitter{Err: errBroken}, dir: dir}
	w.env = Env{
		Run: "run-1", Fault: "f", Kind: "a kind", ClusterKind: "embedded", Machines: fakeMachines{}, Emitter: w.emitter,
		Journal: openJournal(t, dir),
		Cluster: testIdentity(), LandWithin: 20 * time.Second, RecoverWithin: 20 * time.Second, PollEvery: time.Millisecond,
	}.WithDefaults()
	return w
}

// open returns the faults whose undo records are open on disk.
func (w *world) open(t *testing.T) []string {
	t.Helper()
	records, err := Pending(w.dir, w.env.Journal.kinds)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, record := range records {
		names = append(names, record.Fault)
	}
	return names
}

func testIdentity() cluster.Identity { return cluster.Identity{UID: "uid-of-test", CA: "ca-of-test"} }

// testUndos are a kind of undo that can conflict, under a name that records of all versions may have, and one that comes last.
func testUndos() UndoKinds {
	decode := func(r Record) (Undoing, error) {
		u := testUndoing{node: r.Node}
		return u, DecodeData(r.Undo.Data, &u.testUndo)
	}
	return UndoKinds{{Name: UndoMachine, Decode: decode}, {Name: "late", Last: true, Decode: decode}}
}

type testUndo struct {
	Action cluster.Action `json:"action"`
}

// testUndoing is distinguished from others by its node and its action.
type testUndoing struct {
	testUndo
	node string
}

func (u testUndoing) Validate() error {
	if _, ok := u.Action.Undo(); !ok {
		return fmt.Errorf("action %q has no undoing", u.Action)
	}
	return nil
}

func (u testUndoing) Conflicts(other Undoing) string {
	if u != other {
		return ""
	}
	return fmt.Sprintf("node %s (%s)", u.node, u.Action)
}

func (u testUndoing) Do(_ context.Context, env UndoEnv) (Effect, error) {
	return Effect{Began: env.Now()}, nil
}

func (u testUndoing) Look(context.Context, UndoEnv) error { return nil }

// undoAction is the undo of an action; that of none is of nothing.
func undoAction(action cluster.Action) Undo {
	if action == "" {
		return Undo{}
	}
	undo, err := NewUndo(UndoMachine, testUndo{Action: action})
	if err != nil {
		panic(err)
	}
	return undo
}

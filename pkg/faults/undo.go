package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Undo says how what a fault does is undone. It is on disk, in the undo record, before anything is touched. The zero Undo is
// that of a fault of which nothing has to be undone.
type Undo struct {
	Kind string          `json:"kind"` // the Name of an UndoKind
	Data json.RawMessage `json:"data"` // as the kind writes it
}

// NewUndo returns the Undo of a kind with its data as JSON.
func NewUndo(kind string, data any) (Undo, error) {
	encoded, err := json.Marshal(data)
	if err != nil {
		return Undo{}, fmt.Errorf("undo of kind %s: %w", kind, err)
	}
	return Undo{Kind: kind, Data: encoded}, nil
}

// IsZero reports whether nothing has to be undone.
func (u Undo) IsZero() bool { return u.Kind == "" && len(u.Data) == 0 }

// UndoKind is a way in which faults are undone. Several faults may have it in common.
type UndoKind struct {
	// Name is what records call it. It never changes.
	Name string
	// Last has it undone after all other kinds: what they undo could keep it from coming to an end.
	Last bool
	// Decode reads the record's Undo.Data, strictly: what it does not know it refuses (see DecodeData).
	Decode func(Record) (Undoing, error)
	// Marks says how faults of the kind mark the Node objects that they change; nil if they do not.
	Marks *Marks
}

// Marks are what faults write on the Node objects that they change: a machine that does not have the run's journal finds by them what
// is to be undone.
type Marks struct {
	Annotation string // of a Node object that bears some
	// Undo undoes what faults of all runs, active ones too, marked on nodes, as far as a record says the same, and returns the names of
	// the nodes that it restored.
	Undo func(ctx context.Context, client kubernetes.Interface, records []Record) ([]string, error)
}

// Undoing undoes the fault of one record. All that it knows comes from the record, which may be of another process, or from a cluster
// that others write to as well.
type Undoing interface {
	// Validate returns what keeps the record from being acted on. Nothing else is called before it returned nil.
	Validate() error
	// Conflicts returns what this undoing and one of another open record would both undo, such as "node a (freeze)"; empty if
	// they have nothing in common. The other one may be of another kind.
	Conflicts(other Undoing) string
	// Do undoes it, whether the fault took effect, took effect in part or not at all, or was undone already. It is called both by the run
	// itself and by a clean-up after it.
	Do(ctx context.Context, env UndoEnv) (Effect, error)
	// Look looks at the fault's target and changes nothing. An error says that the source of this knowledge did not answer, so that
	// nobody can tell whether the fault is still in effect.
	Look(ctx context.Context, env UndoEnv) error
}

// UndoEnv is what an Undoing works with.
type UndoEnv struct {
	Machines Machines
	Client   kubernetes.Interface // nil if the API cannot be reached
	Chaos    Chaos                // nil if there is no Chaos Mesh, or it cannot be reached
	Now      func() time.Time
	// Others are the undoings of the other open records: their effects are left alone.
	Others []Undoing
	// Confirm returns nil if what it is asked may be done. It is asked before something is done that could hit something else.
	Confirm func(question string) error
	// Afterwards is nil while the run that injected the fault continues and holds its cluster.
	Afterwards *Afterwards
}

// Afterwards is what a clean-up knows when the run of the fault is over, and much may have happened since.
type Afterwards struct {
	Cluster cluster.Identity // the one that is cleaned up, and that the record is of
	// SettleWithin is how long a machine that was booted since the fault was injected may take to be well.
	SettleWithin time.Duration
	// Booted are the machines that this clean-up switched on.
	Booted map[string]bool
}

// UndoKinds is the registry of the ways in which faults are undone.
type UndoKinds []UndoKind

// Decode returns the undoing of a record, validated.
func (k UndoKinds) Decode(r Record) (Undoing, error) {
	if r.Undo.IsZero() {
		return nothing{node: r.Node}, nil
	}
	i := slices.IndexFunc(k, func(kind UndoKind) bool { return kind.Name == r.Undo.Kind })
	if i < 0 {
		var names []string
		for _, kind := range k {
			names = append(names, kind.Name)
		}
		return nil, fmt.Errorf("undo of kind %q is unknown: expected one of %v; a program whose catalogue has it can clean up", r.Undo.Kind,
			names)
	}
	undoing, err := k[i].Decode(r)
	if err != nil {
		return nil, fmt.Errorf("undo of kind %s: %w", r.Undo.Kind, err)
	}
	return undoing, undoing.Validate()
}

// MarksOn returns the annotations by which a Node object says that what a fault did to it is not undone yet.
func (k UndoKinds) MarksOn(node metav1.Object) []string {
	var found []string
	for _, kind := range k {
		if kind.Marks != nil && node.GetAnnotations()[kind.Marks.Annotation] != "" {
			found = append(found, kind.Marks.Annotation)
		}
	}
	return found
}

// UndoMarked undoes what faults of any kind marked on nodes, as far as records say the same, and returns the names of the nodes that were
// restored. What one kind cannot undo does not stop the others.
func (k UndoKinds) UndoMarked(ctx context.Context, client kubernetes.Interface, records []Record) ([]string, error) {
	var restored []string
	var problems []error
	for _, kind := range k {
		if kind.Marks == nil {
			continue
		}
		nodes, err := kind.Marks.Undo(ctx, client, records)
		restored, problems = append(restored, nodes...), append(problems, err)
	}
	slices.Sort(restored)
	return slices.Compact(restored), errors.Join(problems...)
}

// rank orders what is undone: the lowest first.
func (k UndoKinds) rank(u Undo) int {
	if slices.ContainsFunc(k, func(kind UndoKind) bool { return kind.Name == u.Kind && kind.Last }) {
		return 1
	}
	return 0
}

// LookAt looks at the target of an open record's fault. An error says that the source of this knowledge did not answer, so that
// nobody can say whether the fault is still in effect.
func (k UndoKinds) LookAt(ctx context.Context, env UndoEnv, record Record) error {
	undoing, err := k.Decode(record)
	if err == nil {
		err = undoing.Look(ctx, env)
	}
	if err != nil {
		return fmt.Errorf("look at the target of fault %s: %w", record.Fault, err)
	}
	return nil
}

// DecodeData reads the data of an Undo. It refuses fields that into does not have, and whatever follows.
func DecodeData(data json.RawMessage, into any) error {
	return decodeStrictly(data, into)
}

func decodeStrictly(content []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errMoreThanOne
	}
	return nil
}

// errMoreThanOne is what is wrong with a file in which something follows what is expected.
var errMoreThanOne = errors.New("more than one value in the file")

// nothing is the undoing of faults of which nothing has to be undone.
type nothing struct{ node string }

// Validate implements Undoing.
func (nothing) Validate() error { return nil }

// Conflicts implements Undoing.
func (nothing) Conflicts(Undoing) string { return "" }

// Do implements Undoing.
func (nothing) Do(_ context.Context, env UndoEnv) (Effect, error) {
	return Effect{Began: env.Now()}, nil
}

// Look implements Undoing.
func (n nothing) Look(ctx context.Context, env UndoEnv) error {
	return LookAtNode(ctx, env.Client, n.node)
}

// LookAtNode looks for a node in the API. It is part of each Look, for what is left of every fault shows in the API: whether
// the node is Ready again, how it is marked, whether a pod still ends. A node that is gone is an answer, too.
func LookAtNode(ctx context.Context, client kubernetes.Interface, name string) error {
	if client == nil {
		return ErrUnreachable
	}
	_, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("look at node %s in the API: %w", name, err)
	}
	return nil
}

// ErrUnreachable is the answer of a Look where the API is needed and cannot be reached.
var ErrUnreachable = errors.New("the API cannot be reached")

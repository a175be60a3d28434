package nodeobject

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
)

// undo is how a change of a node's object is undone, in the undo record: one of a cordon and a taint.
type undo struct {
	// Taint is what was put on the node; nil if nothing was.
	Taint *corev1.Taint `json:"taint,omitempty"`
	// Cordon says that the node was cordoned.
	Cordon bool `json:"cordon,omitempty"`
	// Marked says that the change is marked on the node; see UndoMark. Early records are of nodes without marks.
	Marked bool `json:"marked,omitempty"`
}

// undoKind undoes a change of a node's object in the API.
func undoKind() faults.UndoKind {
	return faults.UndoKind{
		Name: faults.UndoNodeObject, Decode: func(r faults.Record) (faults.Undoing, error) { return decode(r) },
		Marks: &faults.Marks{
			Annotation: UndoAnnotation,
			Undo: func(ctx context.Context, client kubernetes.Interface, records []faults.Record) ([]string, error) {
				return undoMarked(ctx, client, allRuns, records)
			},
		},
	}
}

func decode(r faults.Record) (undoing, error) {
	u := undoing{record: r}
	return u, faults.DecodeData(r.Undo.Data, &u.undo)
}

// undoing undoes the fault of one record on a node's object.
type undoing struct {
	undo
	record faults.Record
}

// Validate implements Undoing.
func (u undoing) Validate() error {
	switch {
	case u.Cordon == (u.Taint != nil):
		return errors.New("expected one of cordon and taint")
	case u.Taint != nil && (u.Taint.Key == "" || u.Taint.Effect == ""):
		return errors.New("its taint has no key or no effect")
	default:
		return nil
	}
}

// Conflicts implements Undoing: a node is cordoned once, and has one taint of a key and an effect.
func (u undoing) Conflicts(other faults.Undoing) string {
	open, ok := other.(undoing)
	if !ok || open.record.Node != u.record.Node {
		return ""
	}
	switch {
	case u.Cordon && open.Cordon:
		return fmt.Sprintf("node %s (%s)", open.record.Node, nodeCordoned)
	case u.Taint != nil && open.Taint != nil && open.Taint.MatchTaint(u.Taint):
		return fmt.Sprintf("node %s (%s %s)", open.record.Node, nodeTainted, open.Taint.ToString())
	default:
		return ""
	}
}

// mark is what the fault wrote on its node.
func (u undoing) mark() UndoMark {
	return UndoMark{Run: u.record.Run, Fault: u.record.Fault, Kind: u.record.Kind, Uncordon: u.Cordon, Untaint: u.Taint}
}

// Look implements Undoing.
func (u undoing) Look(ctx context.Context, env faults.UndoEnv) error {
	return faults.LookAtNode(ctx, env.Client, u.record.Node)
}

// Do implements Undoing: it undoes what the mark says, and takes the mark away in the same update. With the object that bore it, it is
// gone, too; and where the mark is gone, nothing was done or somebody undid it: what is on the node now is not the fault's.
func (u undoing) Do(ctx context.Context, env faults.UndoEnv) (faults.Effect, error) {
	mark := u.mark()
	if env.Client == nil {
		return faults.Effect{}, fmt.Errorf("%s node %s: the API alone can do that, and it cannot be reached", mark.undoing(), u.record.Node)
	}
	effect := faults.Effect{Began: env.Now()}
	what, err := u.restore(ctx, env, mark)
	replaced := new(look.AnotherNodeError)
	switch {
	case errors.As(err, &replaced) || apierrors.IsNotFound(err):
		what = fmt.Sprintf("the object of node %s that %s is gone", u.record.Node, mark.did())
	case err != nil:
		return effect, fmt.Errorf("%s node %s: %w", mark.undoing(), u.record.Node, err)
	}
	effect.Observations = []cluster.Observation{{What: what, How: nodeObjectView, At: env.Now()}}
	return effect, nil
}

// restore undoes what the mark says, and returns in words what was found and done.
func (u undoing) restore(ctx context.Context, env faults.UndoEnv, mark UndoMark) (string, error) {
	object := u.record.Object
	object.Name = u.record.Node
	what := ""
	err := changeNode(ctx, env.Client, object, func(node *corev1.Node) (bool, error) {
		marks, err := marksOf(node)
		if err != nil {
			return false, err
		}
		rest := slices.DeleteFunc(slices.Clone(marks), mark.same)
		marked := len(rest) < len(marks)
		if u.Marked && !marked {
			what = fmt.Sprintf("node %s does not bear the fault's mark: nothing to undo", node.Name)
			return false, nil
		}
		restored := false
		restored, what = mark.restore(node)
		return restored || marked, setMarks(node, rest)
	})
	return what, err
}

package nodeobject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// UndoAnnotation is the annotation of a Node that holds what faults did to it and what undoes that, a JSON list of UndoMarks.
// A machine that does not have the run's journal can clean up with it.
const UndoAnnotation = "sparkchaos.dev/undo"

// UndoMark is one fault's mark on a node's object. It comes and goes in the same update as what it undoes.
type UndoMark struct {
	Run   string `json:"run"`
	Fault string `json:"fault"` // the name in the scenario
	Kind  string `json:"kind"`
	// Uncordon says that the node was schedulable before.
	Uncordon bool `json:"uncordon,omitempty"`
	// Untaint is what the node had not before.
	Untaint *corev1.Taint `json:"untaint,omitempty"`
}

// markOf is what the disturbance writes on the node that it changes.
func markOf(env faults.Env, change nodeChange) UndoMark {
	return UndoMark{Run: env.Run, Fault: env.Fault, Kind: env.Kind, Uncordon: change.Cordon, Untaint: change.Taint}
}

// same reports whether two marks are of the same fault of the same run.
func (m UndoMark) same(other UndoMark) bool { return m.Run == other.Run && m.Fault == other.Fault }

func (m UndoMark) did() string {
	if m.Untaint != nil {
		return "had the taint"
	}
	return "was cordoned"
}

func (m UndoMark) undoing() string {
	if m.Untaint != nil {
		return "take the taint " + m.Untaint.ToString() + " from"
	}
	return "uncordon"
}

// restore does to the object what the mark says, and no more. It returns whether that changed anything, and says so in words.
func (m UndoMark) restore(node *corev1.Node) (bool, string) {
	if m.Untaint == nil {
		changed := node.Spec.Unschedulable
		node.Spec.Unschedulable = false
		if !changed {
			return false, fmt.Sprintf("node %s is not cordoned: nothing to undo", node.Name)
		}
		return true, "the API server accepted that the node takes pods"
	}
	if !hasTaint(node, *m.Untaint) {
		return false, fmt.Sprintf("the taint %s is not there: nothing to undo", m.Untaint.ToString())
	}
	node.Spec.Taints = slices.DeleteFunc(slices.Clone(node.Spec.Taints), func(t corev1.Taint) bool { return sameTaint(t, *m.Untaint) })
	return true, "the API server accepted the removal of the taint " + m.Untaint.ToString()
}

func (m UndoMark) problem() error {
	switch {
	case m.Run == "" || m.Fault == "":
		return errors.New("a mark names no run or no fault")
	case m.Uncordon == (m.Untaint != nil):
		return fmt.Errorf("the mark of fault %s of run %s: expected one of uncordon and untaint", m.Fault, m.Run)
	case m.Untaint != nil && (m.Untaint.Key == "" || m.Untaint.Effect == ""):
		return fmt.Errorf("the mark of fault %s of run %s: its taint has no key or no effect", m.Fault, m.Run)
	default:
		return nil
	}
}

// DamagedMarkError is an UndoAnnotation that cannot be read. What it was to undo has to be looked for by hand.
type DamagedMarkError struct {
	Node string
	Err  error
}

// Error names the node and what to do.
func (e *DamagedMarkError) Error() string {
	return fmt.Sprintf("node %s: annotation %s cannot be read: %v; look whether the node is cordoned or tainted, undo that, then take the "+
		"annotation away", e.Node, UndoAnnotation, e.Err)
}

// Unwrap returns the cause.
func (e *DamagedMarkError) Unwrap() error { return e.Err }

// marksOf reads the marks of a node's object. It returns a DamagedMarkError, and no mark, if any of it cannot be understood.
func marksOf(node *corev1.Node) ([]UndoMark, error) {
	content, ok := node.Annotations[UndoAnnotation]
	if !ok {
		return nil, nil
	}
	marks, err := decodeMarks([]byte(content))
	if err != nil {
		return nil, &DamagedMarkError{Node: node.Name, Err: err}
	}
	return marks, nil
}

func decodeMarks(content []byte) ([]UndoMark, error) {
	var marks []UndoMark
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&marks); err != nil {
		return nil, fmt.Errorf("not a list of marks: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a list of marks: something follows it")
	}
	if len(marks) == 0 {
		return nil, errors.New("it has no mark")
	}
	var problems []error
	for _, mark := range marks {
		problems = append(problems, mark.problem())
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return marks, nil
}

// setMarks writes the marks on a node's object. Without any the annotation goes.
func setMarks(node *corev1.Node, marks []UndoMark) error {
	if len(marks) == 0 {
		delete(node.Annotations, UndoAnnotation)
		return nil
	}
	content, err := json.Marshal(marks)
	if err != nil {
		return fmt.Errorf("mark node %s: %w", node.Name, err)
	}
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, UndoAnnotation, string(content))
	return nil
}

// StrayMarkError is a mark that no undo record of the cluster matches. A node's kubelet may write the annotations of its own Node, so
// that a mark alone is no reason to change anything: it could lift what an administrator did.
type StrayMarkError struct {
	Node string
	Mark UndoMark
}

// Error names the node and what to do.
func (e *StrayMarkError) Error() string {
	return fmt.Sprintf("node %s bears a mark of fault %s of run %s (%s the node would undo it), but no undo record in the cluster matches "+
		"it: nothing was changed; look whether the node is as it should be, fix that, then take the annotation %s away",
		e.Node, e.Mark.Fault, e.Mark.Run, e.Mark.undoing(), UndoAnnotation)
}

// allRuns selects the marks of every run.
const allRuns = ""

// undoMarked undoes what faults of a run, or of allRuns, did to Node objects, by the marks that they left there. It
// returns the names of the nodes that it restored. Only what a record says is done; a mark without a record is a
// StrayMarkError, an unreadable one a DamagedMarkError, and neither stops other nodes. Active runs are not spared.
func undoMarked(ctx context.Context, client kubernetes.Interface, run string, records []faults.Record) ([]string, error) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("look for nodes with the annotation %s: %w", UndoAnnotation, err)
	}
	var restored []string
	var problems []error
	for _, node := range nodes.Items {
		if _, marked := node.Annotations[UndoAnnotation]; !marked {
			continue
		}
		changed, err := undoMarks(ctx, client, node, run, records)
		if changed {
			restored = append(restored, node.Name)
		}
		problems = append(problems, err)
	}
	return restored, errors.Join(problems...)
}

// matching finds what a record says about the fault that left the mark on the node. The record's own words count.
func (m UndoMark) matching(node *corev1.Node, records []faults.Record) (UndoMark, bool) {
	for _, record := range records {
		if record.Undo.Kind != faults.UndoNodeObject || record.Node != node.Name || record.Object.UID != string(node.UID) {
			continue
		}
		u, err := decode(record)
		if err != nil || u.Validate() != nil {
			continue // the reader of the record reports it
		}
		mark := u.mark()
		if u.Marked && mark.same(m) && equality.Semantic.DeepEqual(mark, m) && mark.reserved() == nil {
			return mark, true
		}
	}
	return UndoMark{}, false
}

// reserved returns an error if the mark is of a taint that is Kubernetes' own, but for the one that a fault of its kind sets.
func (m UndoMark) reserved() error {
	if m.Untaint == nil || m.Kind == "nodeOutOfService" && sameTaint(*m.Untaint, outOfService()) {
		return nil
	}
	return refuseReserved(m.Untaint.Key)
}

// undoMarks undoes the marks of a run on one node in one update; a node that is gone meanwhile has none.
func undoMarks(ctx context.Context, client kubernetes.Interface, node corev1.Node, run string, records []faults.Record) (bool, error) {
	undone := false
	var stray []error
	err := changeNode(ctx, client, history.Object{Name: node.Name, UID: string(node.UID)}, func(node *corev1.Node) (bool, error) {
		undone, stray = false, nil
		marks, err := marksOf(node)
		if err != nil {
			return false, err
		}
		var rest []UndoMark
		for _, mark := range marks {
			if run != "" && mark.Run != run {
				rest = append(rest, mark)
				continue
			}
			recorded, ok := mark.matching(node, records)
			if !ok {
				rest, stray = append(rest, mark), append(stray, &StrayMarkError{Node: node.Name, Mark: mark})
				continue
			}
			_, _ = recorded.restore(node)
			undone = true
		}
		return undone, setMarks(node, rest)
	})
	replaced := new(look.AnotherNodeError)
	if errors.As(err, &replaced) || apierrors.IsNotFound(err) {
		return false, nil
	}
	damaged := new(DamagedMarkError)
	if err != nil && !errors.As(err, &damaged) {
		err = fmt.Errorf("undo what is marked on node %s: %w", node.Name, err)
	}
	return undone && err == nil, errors.Join(append(stray, err)...)
}

package faults

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// marking is a kind of undo whose clean-up restores nodes, or fails.
func marking(annotation string, err error, restored ...string) UndoKind {
	return UndoKind{Name: annotation, Marks: &Marks{
		Annotation: annotation,
		Undo: func(_ context.Context, _ kubernetes.Interface, records []Record) ([]string, error) {
			if len(records) != 1 || records[0].Fault != "f" {
				return nil, errors.New("the records are not those that were given")
			}
			return restored, err
		},
	}}
}

func TestUndoMarkedAsksEveryKindThatMarks(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	kinds := UndoKinds{marking("a", nil, "n2", "n1"), {Name: "unmarked"}, marking("b", broken, "n2"), marking("c", nil, "n3")}
	restored, err := kinds.UndoMarked(t.Context(), nil, []Record{{Fault: "f"}})
	if diff := cmp.Diff([]string{"n1", "n2", "n3"}, restored); diff != "" {
		t.Errorf("restored nodes (-want +got):\n%s", diff)
	}
	if got := err.Error(); !errors.Is(err, broken) || got != broken.Error() {
		t.Errorf("got error %q, want %q alone", got, broken)
	}
}

func TestMarksOn(t *testing.T) {
	t.Parallel()
	kinds := UndoKinds{marking("a", nil), {Name: "unmarked"}, marking("b", nil)}
	for name, test := range map[string]struct {
		annotations map[string]string
		want        []string
	}{
		"none":          {},
		"another one":   {annotations: map[string]string{"x": "1"}},
		"an empty mark": {annotations: map[string]string{"a": ""}},
		"one kind":      {annotations: map[string]string{"b": "1", "x": "1"}, want: []string{"b"}},
		"two kinds":     {annotations: map[string]string{"b": "1", "a": "1"}, want: []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Annotations: test.annotations}}
			if diff := cmp.Diff(test.want, kinds.MarksOn(node)); diff != "" {
				t.Errorf("marks (-want +got):\n%s", diff)
			}
		})
	}
}

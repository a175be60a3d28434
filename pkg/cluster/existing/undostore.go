package existing

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

const (
	// undoLabel is on the config maps with undo records; its value is the record's ID.
	undoLabel = "sparkchaos.dev/undo"
	undoKey   = "record.json"
)

// undoStore keeps undo records as config maps in the harness's namespace.
type undoStore struct{ client kubernetes.Interface }

// UndoStore keeps undo records in the cluster.
func (c *Cluster) UndoStore() cluster.UndoStore { return undoStore{c.client} }

// undoName is unique, as a run's ID and a record's are.
func undoName(run, id string) string { return "undo-" + run + "-" + id }

// Keep implements cluster.UndoStore.
func (s undoStore) Keep(ctx context.Context, run, id string, record []byte) error {
	stored := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: undoName(run, id), Namespace: Namespace,
			Labels: map[string]string{cluster.RunLabel: run, undoLabel: id}},
		BinaryData: map[string][]byte{undoKey: record},
	}
	if _, err := s.client.CoreV1().ConfigMaps(Namespace).Create(ctx, stored, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("keep undo record %s of run %s in the cluster: %w", id, run, err)
	}
	return nil
}

// Forget implements cluster.UndoStore.
func (s undoStore) Forget(ctx context.Context, run, id string) error {
	err := s.client.CoreV1().ConfigMaps(Namespace).Delete(ctx, undoName(run, id), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("forget undo record %s of run %s in the cluster: %w", id, run, err)
	}
	return nil
}

// All implements cluster.UndoStore.
func (s undoStore) All(ctx context.Context) (map[string]map[string][]byte, error) {
	list, err := s.client.CoreV1().ConfigMaps(Namespace).List(ctx, metav1.ListOptions{LabelSelector: undoLabel})
	if err != nil {
		return nil, fmt.Errorf("look for undo records in the cluster: %w", err)
	}
	all := map[string]map[string][]byte{}
	for _, stored := range list.Items {
		run := stored.Labels[cluster.RunLabel]
		if all[run] == nil {
			all[run] = map[string][]byte{}
		}
		all[run][stored.Labels[undoLabel]] = stored.BinaryData[undoKey]
	}
	return all, nil
}

package chaosmesh

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
)

// undo is the resource of Chaos Mesh with which goes what it did, in the undo record.
type undo struct {
	chaosmesh.Resource
	// OneShot says that the effect is over as soon as it hit: the resource is all that is left.
	OneShot bool `json:"oneShot,omitempty"`
}

// undoKind undoes what a resource of Chaos Mesh did by deleting it. It comes last: a node that is off keeps resources from going.
func undoKind() faults.UndoKind {
	return faults.UndoKind{Name: faults.UndoChaosMesh, Last: true, Decode: func(r faults.Record) (faults.Undoing, error) {
		u := undoing{record: r}
		return u, faults.DecodeData(r.Undo.Data, &u.undo)
	}}
}

// undoing undoes what one record says about a resource of Chaos Mesh.
type undoing struct {
	undo
	record faults.Record
}

// Validate implements Undoing.
func (u undoing) Validate() error {
	if u.Kind == "" || u.Namespace == "" || u.Name == "" {
		return fmt.Errorf("the resource %s is not named in full", u.Resource)
	}
	return nil
}

// Conflicts implements Undoing: the same kind of fault cannot hit the same pods, or the same node, twice at a time. Whichever is
// recovered first, nobody could prove that it is over.
func (u undoing) Conflicts(other faults.Undoing) string {
	open, ok := other.(undoing)
	if !ok || u.OneShot || open.OneShot || u.record.Kind != open.record.Kind || u.struck() != open.struck() {
		return ""
	}
	return fmt.Sprintf("%s of %s", open.record.Kind, open.struck())
}

// struck is what the resource hits, in words.
func (u undoing) struck() string {
	if len(u.Pods) == 0 {
		return "node " + u.record.Node
	}
	what := "pod"
	if len(u.Pods) > 1 {
		what = "pods"
	}
	return fmt.Sprintf("%s %s in namespace %s", what, strings.Join(slices.Sorted(slices.Values(u.Pods)), " and "), u.Namespace)
}

// Look implements Undoing.
func (u undoing) Look(ctx context.Context, env faults.UndoEnv) error {
	if env.Chaos == nil || env.Client == nil {
		return faults.ErrUnreachable
	}
	if _, err := env.Chaos.State(ctx, u.Resource); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return faults.LookAtNode(ctx, env.Client, u.record.Node)
}

// Do implements Undoing: it deletes the resource, with which Chaos Mesh undoes what it did.
func (u undoing) Do(ctx context.Context, env faults.UndoEnv) (faults.Effect, error) {
	effect := faults.Effect{Began: env.Now()}
	if env.Chaos == nil {
		return effect, fmt.Errorf("%s can be deleted by the API alone, which cannot be reached", u.Resource)
	}
	freed, err := env.Chaos.Delete(ctx, u.Resource)
	effect.Claims = &freed.State
	for _, forced := range freed.Forced {
		effect.Observations = append(effect.Observations,
			cluster.Observation{What: u.Resource.String() + " hung: " + forced, How: "the API server's answers", At: env.Now()})
	}
	if err != nil {
		return effect, err
	}
	effect.Observations = append(effect.Observations,
		cluster.Observation{What: u.Resource.String() + " is gone", How: "the API server's answer", At: env.Now()})
	return effect, nil
}

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// chaosUndo is the resource of Chaos Mesh with which goes what it did, in the undo record.
type chaosUndo struct {
	chaosmesh.Resource
	// OneShot says that the effect is over as soon as it struck: the resource is all that is left.
	OneShot bool `json:"oneShot,omitempty"`
}

// chaosUndoKind undoes what a resource of Chaos Mesh did by deleting it. It comes last: a node that is off keeps resources from going.
func chaosUndoKind() UndoKind {
	return UndoKind{Name: UndoChaosMesh, Last: true, Decode: func(r Record) (Undoing, error) {
		u := chaosUndoing{record: r}
		return u, DecodeData(r.Undo.Data, &u.chaosUndo)
	}}
}

// chaosUndoing undoes what one record tells of a resource of Chaos Mesh.
type chaosUndoing struct {
	chaosUndo
	record Record
}

// Validate implements Undoing.
func (u chaosUndoing) Validate() error {
	if u.Kind == "" || u.Namespace == "" || u.Name == "" {
		return fmt.Errorf("the resource %s is not named in full", u.Resource)
	}
	return nil
}

// Conflicts implements Undoing: the same kind of fault cannot strike the same pods, or the same node, twice at a time. Whichever is
// recovered first, nobody could prove that it is over.
func (u chaosUndoing) Conflicts(other Undoing) string {
	open, ok := other.(chaosUndoing)
	if !ok || u.OneShot || open.OneShot || u.record.Kind != open.record.Kind || u.struck() != open.struck() {
		return ""
	}
	return fmt.Sprintf("%s of %s", open.record.Kind, open.struck())
}

// struck is what the resource strikes, in words.
func (u chaosUndoing) struck() string {
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
func (u chaosUndoing) Look(ctx context.Context, env UndoEnv) error {
	if env.Chaos == nil || env.Client == nil {
		return ErrUnreachable
	}
	if _, err := env.Chaos.State(ctx, u.Resource); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return LookAtNode(ctx, env.Client, u.record.Node)
}

// Do implements Undoing: it deletes the resource, with which Chaos Mesh undoes what it did.
func (u chaosUndoing) Do(ctx context.Context, env UndoEnv) (Effect, error) {
	effect := Effect{Began: env.Now()}
	if env.Chaos == nil {
		return effect, fmt.Errorf("%s can be deleted by the API alone, which cannot be reached", u.Resource)
	}
	freed, err := env.Chaos.Delete(ctx, u.Resource)
	effect.Claims = &freed.State
	for _, forced := range freed.Forced {
		effect.Observations = append(effect.Observations, cluster.Observation{What: u.Resource.String() + " hung: " + forced, How: "the API server's answers", At: env.Now()})
	}
	if err != nil {
		return effect, err
	}
	effect.Observations = append(effect.Observations, cluster.Observation{What: u.Resource.String() + " is gone", How: "the API server's answer", At: env.Now()})
	return effect, nil
}

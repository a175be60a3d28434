// Package chaosmesh has the faults that a resource of Chaos Mesh brings about. What Chaos Mesh says about it is noted and proves
// nothing: the effect is seen from outside. They are undone by deleting the resource.
package chaosmesh

import (
	"context"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
)

// Family returns the faults by Chaos Mesh.
func Family() faults.Family {
	return faults.Family{
		Kinds: []faults.Kind{
			podFailureKind(),
			containerKillKind(),
			networkPartitionKind(),
			networkDelayKind(),
			networkLossKind(),
			bandwidthKind(),
			clockSkewKind(),
			cpuStressKind(),
			memoryStressKind(),
		},
		Undos: faults.UndoKinds{undoKind()},
	}
}

// carefulEffect is a chaosEffect that the kernels of the nodes may not be able to bring about.
type carefulEffect interface {
	// Preflight is that of faults.Careful.
	Preflight(ctx context.Context, env faults.Env) error
}

// loudEffect is a chaosEffect that is disturbed by each look at it.
type loudEffect interface{ Loud() }

var (
	_ faults.Careful = chaosFault{}
	_ faults.Lasting = chaosFault{}
	_ faults.Patient = cloudStop{}

	_ carefulEffect = networkChaos{}
	_ carefulEffect = bandwidthChaos{}
	_ loudEffect    = bandwidthChaos{}
)

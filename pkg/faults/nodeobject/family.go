// Package nodeobject has the faults of nodes as objects in the API: a node is cordoned or tainted, and marked with what undoes that.
package nodeobject

import "github.com/sparkchaos/sparkchaos/pkg/faults"

// Family returns the faults of the objects of nodes.
func Family() faults.Family {
	return faults.Family{
		Kinds: []faults.Kind{
			nodeOutOfServiceKind(),
			nodeCordonKind(),
			nodeDrainKind(),
			nodeTaintKind(),
		},
		Undos: faults.UndoKinds{undoKind()},
	}
}

var (
	_ faults.Patient = nodeDrain{}
	_ faults.Patient = nodeTaint{}
	_ faults.Patient = nodeOutOfService{}
	_ faults.Sparing = nodeCordon{}
	_ faults.Sparing = nodeTaint{}
)

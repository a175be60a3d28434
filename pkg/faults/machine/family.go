// Package machine has the faults of nodes as machines: one action of the cluster each, undone by the action that is its counterpart.
package machine

import "github.com/sparkchaos/sparkchaos/pkg/faults"

// Family returns the faults of machines.
func Family() faults.Family {
	return faults.Family{
		Kinds: []faults.Kind{
			nodePowerOffKind(),
			nodeShutdownKind(),
			nodeIsolateKind(),
			nodeFreezeKind(),
		},
		Undos: faults.UndoKinds{undoKind()},
	}
}

var _ faults.Patient = nodeFault{}

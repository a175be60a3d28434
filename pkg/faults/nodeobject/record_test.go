package nodeobject

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/faults/machine"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// newWorld knows the faults of nodes.
func newWorld(t *testing.T) *faultstest.World { return faultstest.New(t, Family(), machine.Family()) }

func encoded(u undo) faults.Undo {
	undo, err := faults.NewUndo(faults.UndoNodeObject, u)
	if err != nil {
		panic(err)
	}
	return undo
}

// aRecord is of worker-1, with the undo of a change of its object.
func aRecord(fault string, u undo) faults.Record {
	return faults.Record{
		Run: "run-1", Fault: fault, Kind: "nodeDrain", ClusterKind: "embedded", Cluster: "test", ClusterID: faultstest.Identity(),
		Written: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Object: history.Object{Kind: "Node", Name: "worker-1", UID: "uid-of-node"},
		Node: "worker-1", Undo: encoded(u),
	}
}

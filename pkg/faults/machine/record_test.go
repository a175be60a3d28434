package machine

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// newWorld knows the faults of machines.
func newWorld(t *testing.T) *faultstest.World { return faultstest.New(t, Family()) }

func openJournal(t *testing.T, dir string) *faults.Journal {
	t.Helper()
	journal, err := faults.OpenJournal(dir, faults.Catalogue{Family()}.Undos())
	if err != nil {
		t.Fatal(err)
	}
	return journal
}

func write(t *testing.T, j *faults.Journal, r faults.Record) faults.Record {
	t.Helper()
	written, err := j.Write(r)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

// undoAction is the undo of an action; that of none is of nothing.
func undoAction(u undo) faults.Undo {
	if u.Action == "" {
		return faults.Undo{}
	}
	encoded, err := faults.NewUndo(faults.UndoMachine, u)
	if err != nil {
		panic(err)
	}
	return encoded
}

func aRecord(fault, node string, action cluster.Action) faults.Record {
	return faults.Record{
		Run: "run-1", Fault: fault, Kind: "nodePowerOff", ClusterKind: "embedded", Cluster: "test", ClusterID: faultstest.Identity(),
		Written: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Object:  history.Object{Kind: "Node", Name: node}, Node: node,
		Undo: undoAction(undo{Action: action, Before: &cluster.Node{Name: node, Power: cluster.On, Kubelet: true, Processes: 3}}),
	}
}

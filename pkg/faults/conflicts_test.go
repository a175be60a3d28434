package faults

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// TestConflictsAreFoundForEveryKindOfUndo writes the record of a second fault while that of a first one is open.
func TestConflictsAreFoundForEveryKindOfUndo(t *testing.T) {
	t.Parallel()
	action := func(node string, action cluster.Action) Record {
		return aRecord("f", node, action)
	}
	cordon := func(node string) Record {
		r := aRecord("f", node, "")
		r.Kind, r.Undo = "nodeCordon", encoded(UndoNodeObject, nodeObjectUndo{Cordon: true, Marked: true})
		return r
	}
	taint := func(node, key, value string, effect corev1.TaintEffect) Record {
		r := aRecord("f", node, "")
		r.Kind, r.Undo = "nodeTaint", encoded(UndoNodeObject, nodeObjectUndo{Taint: &corev1.Taint{Key: key, Value: value, Effect: effect}, Marked: true})
		return r
	}
	resource := func(fault, kind string, oneShot bool, pods ...string) Record {
		r := aRecord("f", "worker-1", "")
		r.Kind, r.Undo = fault, encoded(UndoChaosMesh, chaosUndo{Resource: chaosmesh.Resource{Kind: kind, Namespace: "run-1", Name: "x", Pods: pods}, OneShot: oneShot})
		return r
	}
	none := aRecord("f", "worker-1", "")
	tests := []struct {
		name          string
		first, second Record
		held          string // what both hold; empty: they have nothing in common
	}{
		{"one action twice", action("worker-1", cluster.Freeze), action("worker-1", cluster.Freeze), "node worker-1 (freeze)"},
		{"two actions with one undoing", action("worker-1", cluster.Shutdown), action("worker-1", cluster.PowerOff), "node worker-1 (shutdown)"},
		{"two actions", action("worker-1", cluster.Isolate), action("worker-1", cluster.PowerOff), ""},
		{"two machines", action("worker-1", cluster.Freeze), action("worker-2", cluster.Freeze), ""},
		{"two cordons", cordon("worker-1"), cordon("worker-1"), "node worker-1 (node-cordon)"},
		{"cordons of two nodes", cordon("worker-1"), cordon("worker-2"), ""},
		{"one taint twice", taint("worker-1", "a", "", "NoExecute"), taint("worker-1", "a", "", "NoExecute"), "node worker-1 (node-taint a:NoExecute)"},
		{"one taint with two values", taint("worker-1", "a", "x", "NoExecute"), taint("worker-1", "a", "y", "NoExecute"), "node worker-1 (node-taint a=x:NoExecute)"},
		{"one taint with two effects", taint("worker-1", "a", "", "NoExecute"), taint("worker-1", "a", "", "NoSchedule"), ""},
		{"two taints", taint("worker-1", "a", "", "NoExecute"), taint("worker-1", "b", "", "NoExecute"), ""},
		{"a cordon and a taint", cordon("worker-1"), taint("worker-1", "a", "", "NoExecute"), ""},
		{"an action and a cordon", action("worker-1", cluster.PowerOff), cordon("worker-1"), ""},
		{"one clock twice", resource("clockSkew", "TimeChaos", false, "a"), resource("clockSkew", "TimeChaos", false, "a"), "clockSkew of pod a in namespace run-1"},
		{
			"one pair of pods", resource("networkLoss", "NetworkChaos", false, "a", "b"), resource("networkLoss", "NetworkChaos", false, "b", "a"),
			"networkLoss of pods a and b in namespace run-1",
		},
		{"two pairs of pods", resource("networkLoss", "NetworkChaos", false, "a", "b"), resource("networkLoss", "NetworkChaos", false, "a", "c"), ""},
		{"two stresses", resource("cpuStress", "StressChaos", false, "a"), resource("memoryStress", "StressChaos", false, "a"), ""},
		{"what strikes once", resource("containerKill", "PodChaos", true, "a"), resource("containerKill", "PodChaos", true, "a"), ""},
		{"one instance twice", resource("nodeShutdown", "AWSChaos", false), resource("nodeShutdown", "AWSChaos", false), "nodeShutdown of node worker-1"},
		{"a resource and an action", resource("networkLoss", "NetworkChaos", false, "a"), action("worker-1", cluster.Freeze), ""},
		{"nothing to undo", none, none, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first := write(t, openJournal(t, dir), test.first)
			journal := openJournal(t, dir) // it finds the first record on disk
			_, err := journal.Write(test.second)
			held := new(HeldError)
			if test.held == "" {
				if err != nil {
					t.Errorf("got %v, want that nothing is held", err)
				}
				return
			}
			if !errors.As(err, &held) || held.What != test.held || held.Fault != "f" {
				t.Fatalf("got %v, want that %q is held by f", err, test.held)
			}
			if err := journal.Done(first.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := journal.Write(test.second); err != nil {
				t.Errorf("held after the first one was undone: %v", err)
			}
		})
	}
}

package catalogue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// TestConflictsAreFoundForEveryKindOfUndo writes the record of a second fault while that of a first one is open.
func TestConflictsAreFoundForEveryKindOfUndo(t *testing.T) {
	t.Parallel()
	action := func(node string, action cluster.Action) faults.Record {
		return aRecord("nodePowerOff", node, faults.UndoMachine, `{"action": "%s"}`, action)
	}
	cordon := func(node string) faults.Record {
		return aRecord("nodeCordon", node, faults.UndoNodeObject, `{"cordon": true, "marked": true}`)
	}
	taint := func(node, key, value, effect string) faults.Record {
		return aRecord("nodeTaint", node, faults.UndoNodeObject, `{"taint": {"key": "%s", "value": "%s", "effect": "%s"}, "marked": true}`, key,
			value, effect)
	}
	resource := func(fault, kind string, oneShot bool, pods ...string) faults.Record {
		quoted := ""
		if len(pods) > 0 {
			quoted = `"` + strings.Join(pods, `", "`) + `"`
		}
		return aRecord(fault, "worker-1", faults.UndoChaosMesh, `{"kind": "%s", "namespace": "run-1", "name": "x", "pods": [%s], "oneShot": %t}`,
			kind, quoted, oneShot)
	}
	none := aRecord("podKill", "worker-1", "", "")
	tests := []struct {
		name          string
		first, second faults.Record
		held          string // what both hold; empty: they have nothing in common
	}{
		{"one action twice", action("worker-1", cluster.Freeze), action("worker-1", cluster.Freeze), "node worker-1 (freeze)"},
		{"two actions with one undoing", action("worker-1", cluster.Shutdown), action("worker-1", cluster.PowerOff), "node worker-1 (shutdown)"},
		{"two actions", action("worker-1", cluster.Isolate), action("worker-1", cluster.PowerOff), ""},
		{"two machines", action("worker-1", cluster.Freeze), action("worker-2", cluster.Freeze), ""},
		{"two cordons", cordon("worker-1"), cordon("worker-1"), "node worker-1 (node-cordon)"},
		{"cordons of two nodes", cordon("worker-1"), cordon("worker-2"), ""},
		{"one taint twice", taint("worker-1", "a", "", "NoExecute"), taint("worker-1", "a", "", "NoExecute"),
			"node worker-1 (node-taint a:NoExecute)"},
		{"one taint with two values", taint("worker-1", "a", "x", "NoExecute"), taint("worker-1", "a", "y", "NoExecute"),
			"node worker-1 (node-taint a=x:NoExecute)"},
		{"one taint with two effects", taint("worker-1", "a", "", "NoExecute"), taint("worker-1", "a", "", "NoSchedule"), ""},
		{"two taints", taint("worker-1", "a", "", "NoExecute"), taint("worker-1", "b", "", "NoExecute"), ""},
		{"a cordon and a taint", cordon("worker-1"), taint("worker-1", "a", "", "NoExecute"), ""},
		{"an action and a cordon", action("worker-1", cluster.PowerOff), cordon("worker-1"), ""},
		{"one clock twice", resource("clockSkew", "TimeChaos", false, "a"), resource("clockSkew", "TimeChaos", false, "a"),
			"clockSkew of pod a in namespace run-1"},
		{
			"one pair of pods", resource("networkLoss", "NetworkChaos", false, "a", "b"), resource("networkLoss", "NetworkChaos", false, "b", "a"),
			"networkLoss of pods a and b in namespace run-1",
		},
		{"two pairs of pods", resource("networkLoss", "NetworkChaos", false, "a", "b"), resource("networkLoss", "NetworkChaos", false, "a", "c"),
			""},
		{"two stresses", resource("cpuStress", "StressChaos", false, "a"), resource("memoryStress", "StressChaos", false, "a"), ""},
		{"what hits once", resource("containerKill", "PodChaos", true, "a"), resource("containerKill", "PodChaos", true, "a"), ""},
		{"one instance twice", resource("nodeShutdown", "AWSChaos", false), resource("nodeShutdown", "AWSChaos", false),
			"nodeShutdown of node worker-1"},
		{"a resource and an action", resource("networkLoss", "NetworkChaos", false, "a"), action("worker-1", cluster.Freeze), ""},
		{"nothing to undo", none, none, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first, err := openJournal(t, dir).Write(test.first)
			if err != nil {
				t.Fatal(err)
			}
			journal := openJournal(t, dir) // it finds the first record on disk
			_, err = journal.Write(test.second)
			held := new(faults.HeldError)
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

// aRecord is of a fault f, whose undo has some data.
func aRecord(kind, node, undo, format string, values ...any) faults.Record {
	r := faults.Record{
		Run: "run-1", Fault: "f", Kind: kind, ClusterKind: "embedded", Cluster: "test", ClusterID: faultstest.Identity(),
		Object: history.Object{Kind: "Node", Name: node, UID: "uid-of-node"}, Node: node,
	}
	if undo != "" {
		r.Undo = faults.Undo{Kind: undo, Data: fmt.Appendf(nil, format, values...)}
	}
	return r
}

func openJournal(t *testing.T, dir string) *faults.Journal {
	t.Helper()
	journal, err := faults.OpenJournal(dir, catalogue.All().Undos())
	if err != nil {
		t.Fatal(err)
	}
	return journal
}

// TestRecordsThatMustNotBeActedOnAreRefused decodes what a damaged disk, or somebody who may write ConfigMaps, could leave.
func TestRecordsThatMustNotBeActedOnAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ kind, data, want string }{
		"an action":                     {faults.UndoMachine, `{"action": "freeze"}`, ""},
		"an unknown action":             {faults.UndoMachine, `{"action": "explode"}`, `action "explode" is unknown: expected one of [`},
		"no action":                     {faults.UndoMachine, `{}`, `action "" is unknown`},
		"an action without undoing":     {faults.UndoMachine, `{"action": "power-on"}`, `action "power-on" has no undoing`},
		"an action with something else": {faults.UndoMachine, `{"action": "freeze", "taint": {}}`, "unknown field"},
		"a cordon":                      {faults.UndoNodeObject, `{"cordon": true}`, ""},
		"a taint":                       {faults.UndoNodeObject, `{"taint": {"key": "a", "effect": "NoExecute"}}`, ""},
		"a cordon and a taint": {faults.UndoNodeObject, `{"cordon": true, "taint": {"key": "a", "effect": "NoExecute"}}`,
			"expected one of cordon and taint"},
		"no cordon and no taint":       {faults.UndoNodeObject, `{"marked": true}`, "expected one of cordon and taint"},
		"a taint without a key":        {faults.UndoNodeObject, `{"taint": {"effect": "NoExecute"}}`, "its taint has no key or no effect"},
		"a taint without an effect":    {faults.UndoNodeObject, `{"taint": {"key": "a"}}`, "its taint has no key or no effect"},
		"a resource":                   {faults.UndoChaosMesh, `{"kind": "PodChaos", "namespace": "n", "name": "x"}`, ""},
		"a resource without kind":      {faults.UndoChaosMesh, `{"namespace": "n", "name": "x"}`, "is not named in full"},
		"a resource without namespace": {faults.UndoChaosMesh, `{"kind": "PodChaos", "name": "x"}`, "is not named in full"},
		"a resource without name":      {faults.UndoChaosMesh, `{"kind": "PodChaos", "namespace": "n"}`, "is not named in full"},
		"another resource": {faults.UndoChaosMesh, `{"kind": "PodChaos", "namespace": "n", "name": "x", "finalizers": []}`,
			"unknown field"},
		"two values":      {faults.UndoMachine, `{"action": "freeze"}{}`, "more than one value"},
		"a torn value":    {faults.UndoMachine, `{"action": `, "unexpected EOF"},
		"an unknown kind": {"shell", `"rm"`, `undo of kind "shell" is unknown: expected one of [machine nodeObject chaosMesh]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := catalogue.All().Undos().Decode(aRecord("f", "worker-1", tt.kind, "%s", tt.data))
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzDecode holds every kind of undo to what it may accept.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"version":1,"id":"a","target":{"object":{"kind":"Node","name":"n"},"node":"n","action":"power-off"},"cluster":"c"}`,
		`{"version":2,"id":"a","target":{"object":{"kind":"Node","name":"n"},"node":"n","cordon":true,"marked":true},"cluster":"c"}`,
		`{"version":2,"id":"a","target":{"object":{},"node":"n","chaos":{"kind":"PodChaos","namespace":"n","name":"x"}},"cluster":"c"}`,
		`{"version":3,"id":"a","object":{"kind":"Node","name":"n"},"node":"n","undo":{"kind":"machine","data":{"action":"freeze"}},` +
			`"cluster":"c"}`,
	} {
		f.Add([]byte(s + "\n"))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		records, err := faults.Decode(map[string][]byte{"a": content}, catalogue.All().Undos())
		if err != nil {
			return
		}
		for _, record := range records {
			undoing, err := catalogue.All().Undos().Decode(record)
			if err != nil || undoing.Validate() != nil {
				t.Errorf("accepted a record that cannot be acted on: %v, %v", err, undoing.Validate())
			}
			if !record.Undo.IsZero() && (record.Node == "" || record.Cluster == "") {
				t.Errorf("accepted a record of nowhere: %+v", record)
			}
			if what := undoing.Conflicts(undoing); what == "" && record.Undo.Kind == faults.UndoMachine {
				t.Errorf("an action on a machine does not conflict with itself: %+v", record)
			}
		}
	})
}

package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
)

// struck is what a killed run left on worker-1.
func struck(node *cluster.Node) { node.Power, node.Kubelet, node.Processes = cluster.Off, false, 0 }

// withoutKubelet is a repair, or the middle of a power-off.
func withoutKubelet(node *cluster.Node) { node.Kubelet = false }

func well(*cluster.Node) {}

// recorded is a record of worker-1 as a fault of this version writes it.
func recorded(action cluster.Action) faults.Record {
	record := aRecord("f", "worker-1", action)
	record.Object.UID = "uid-of-node"
	before := cluster.Node{Name: "worker-1", Power: cluster.On, Kubelet: true, Processes: 3, BootID: "boot-0-1"}
	record.Undo = undoAction(undo{Action: action, Before: &before, Boot: "api-boot-0"})
	return record
}

// TestCleanUpActsOnTheRightTargetAlone has a clean-up meet what may have become of the cluster and the machine of a record.
func TestCleanUpActsOnTheRightTargetAlone(t *testing.T) {
	t.Parallel()
	rebuilt := func(node *corev1.Node) { node.UID = "uid-of-another-node" }
	rebooted := func(node *corev1.Node) { node.Status.NodeInfo.BootID = "api-boot-1" }
	notReadySince := func(after time.Duration) func(*corev1.Node) {
		return func(node *corev1.Node) {
			node.Status.Conditions = []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionUnknown,
				LastTransitionTime: metav1.NewTime(recorded(cluster.PowerOff).Written.Add(after)),
			}}
		}
	}
	early := func(r *faults.Record) {
		before := cluster.Node{Name: "worker-1", Power: cluster.On, Kubelet: true, Processes: 3, BootID: "boot-0-1"}
		r.Version, r.ClusterID, r.Undo = 1, cluster.Identity{}, undoAction(undo{Action: cluster.PowerOff, Before: &before})
	}
	const asks = "may not be done unasked"
	for name, tt := range map[string]struct {
		action  cluster.Action // power-off if empty
		record  func(*faults.Record)
		machine func(*cluster.Node)
		node    func(*corev1.Node)
		cluster func(*cluster.Identity)
		api     error
		yes     bool
		did     []string
		says    string // the error, with which the record stays open; empty: it is closed
	}{
		"as the fault left it": {machine: struck, did: []string{"power-on worker-1"}},
		"the context has another name now": {machine: struck, record: func(r *faults.Record) { r.Cluster = "renamed" },
			did: []string{"power-on worker-1"}},
		"another cluster, node well": {machine: well, cluster: func(i *cluster.Identity) { i.UID = "other" },
			says: "kube-system has UID uid-of-test"},
		"another cluster, node off": {machine: struck, cluster: func(i *cluster.Identity) { i.UID = "other" },
			says: "kube-system has UID other"},
		"another cluster, kubelet off": {machine: withoutKubelet, cluster: func(i *cluster.Identity) { i.UID = "other" },
			says: "nothing was touched", yes: true},
		"another cluster with a copied UID": {machine: struck, cluster: func(i *cluster.Identity) { i.CA = "other" },
			says: "the CA has SHA-256 other", yes: true},
		"the cluster cannot be identified": {machine: struck, cluster: func(i *cluster.Identity) { *i = cluster.Identity{} }, says: asks},
		"it cannot, but it was allowed": {machine: struck, cluster: func(i *cluster.Identity) { *i = cluster.Identity{} }, yes: true,
			did: []string{"power-on worker-1"}},
		"an old record":                  {machine: struck, record: early, says: asks},
		"an old record that was allowed": {machine: struck, record: early, yes: true, did: []string{"power-on worker-1"}},
		"an old record of another name": {machine: struck,
			record: func(r *faults.Record) {
				r.Version, r.ClusterID, r.Cluster = 1, cluster.Identity{},
					"prod"
			}, yes: true, says: "cluster prod, not to test"},
		"an old record of another node": {machine: struck, node: rebuilt,
			record: func(r *faults.Record) { r.Version, r.ClusterID = 1, cluster.Identity{} }, yes: true, says: "is another object by now"},
		"a new machine that is off": {machine: struck, node: rebuilt, yes: true,
			says: "its UID is uid-of-another-node, expected uid-of-node"},
		"a new machine that is well":        {machine: well, node: rebuilt, yes: true, says: "is another object by now"},
		"a new machine without kubelet":     {machine: withoutKubelet, node: rebuilt, yes: true, says: "is another object by now"},
		"booted by others, then off":        {machine: struck, node: rebooted, yes: true, says: "boot api-boot-0, then api-boot-1"},
		"booted by others, kubelet stopped": {machine: withoutKubelet, node: rebooted, yes: true, says: "not well"},
		"booted by others, and well":        {machine: well, node: rebooted},
		"booted, says the machine": {machine: func(n *cluster.Node) { n.BootID, n.Kubelet = "boot-9", false }, yes: true,
			says: "boot boot-0-1, then boot-9"},
		"booted, says the machine, and well": {machine: func(n *cluster.Node) { n.BootID = "boot-9" }},
		"frozen after others booted it": {action: cluster.Freeze, machine: func(n *cluster.Node) { n.Frozen = true }, node: rebooted,
			yes: true, says: "not well"},
		"without kubelet":              {machine: withoutKubelet, says: asks},
		"without kubelet, and allowed": {machine: withoutKubelet, yes: true, did: []string{"power-off worker-1", "power-on worker-1"}},
		"lost when the fault hit":      {machine: struck, node: notReadySince(5 * time.Minute), did: []string{"power-on worker-1"}},
		"lost long after":              {machine: struck, node: notReadySince(50 * time.Hour), says: asks},
		"lost long after, and allowed": {machine: struck, node: notReadySince(50 * time.Hour), yes: true,
			did: []string{"power-on worker-1"}},
		"the API does not report the node": {machine: struck, api: faultstest.ErrBroken, says: faultstest.ErrBroken.Error()},
		"machines known without the API": {
			machine: struck, api: faultstest.ErrBroken, did: []string{"power-on worker-1"},
			record:  func(r *faults.Record) { r.ClusterID = cluster.Identity{CA: "c"} },
			cluster: func(i *cluster.Identity) { *i = cluster.Identity{CA: "c"} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.action == "" {
				tt.action = cluster.PowerOff
			}
			record := recorded(tt.action)
			if tt.record != nil {
				tt.record(&record)
			}
			w.Change(t, "worker-1", func(n *corev1.Node) {
				n.Status.NodeInfo.BootID = "api-boot-0"
				if tt.node != nil {
					tt.node(n)
				}
			})
			tt.machine(&w.Cluster.Workers[0])
			if tt.api != nil {
				w.API.PrependReactor("get", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, tt.api })
			}
			cleaner := &faults.Cleaner{Kinds: faults.Catalogue{Family()}.Undos(), Machines: w.Cluster, Cluster: faultstest.Identity(), Client: w.API,
				SettleWithin: 20 * time.Millisecond}
			if tt.cluster != nil {
				tt.cluster(&cleaner.Cluster)
			}
			cleaner.Confirm = func(question string) error {
				if tt.yes {
					return nil
				}
				return errors.New(question + " " + asks)
			}
			effect, err := cleaner.Undo(t.Context(), record)
			if tt.says == "" && (err != nil || len(effect.Observations) == 0) || tt.says != "" &&
				(err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v with %d observations, want %q", err, len(effect.Observations), tt.says)
			}
			if diff := cmp.Diff(tt.did, w.Cluster.Did()); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNobodyToAskIsARefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	withoutKubelet(&w.Cluster.Workers[0])
	cleaner := &faults.Cleaner{Kinds: faults.Catalogue{Family()}.Undos(), Machines: w.Cluster, Cluster: faultstest.Identity(), Client: w.API}
	_, err := cleaner.Undo(t.Context(), recorded(cluster.PowerOff))
	faultstest.ExpectError(t, err, "Nobody could be asked")
	if did := w.Cluster.Did(); len(did) > 0 {
		t.Errorf("done all the same: %v", did)
	}
}

// TestAMachineThatTheCleanUpBootsIsNotABootOfOthers has two faults hold one machine.
func TestAMachineThatTheCleanUpBootsIsNotABootOfOthers(t *testing.T) {
	t.Parallel()
	dir, machines := t.TempDir(), faultstest.NewCluster()
	journal := openJournal(t, dir)
	cut := recorded(cluster.Isolate)
	cut.Fault = "cut"
	write(t, journal, cut)
	write(t, journal, recorded(cluster.PowerOff))
	struck(&machines.Workers[0])
	machines.Workers[0].Isolated, machines.Workers[0].BootID = true, ""
	if _, err := newWorld(t).CleanerOf(machines, nil, nil).UndoPending(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"power-on worker-1", "rejoin worker-1"}, machines.Did()); diff != "" {
		t.Error(diff)
	}
}

// TestARecordOfAnotherClusterStaysOpen names the record, so that a person can delete it.
func TestARecordOfAnotherClusterStaysOpen(t *testing.T) {
	t.Parallel()
	dir, machines := t.TempDir(), faultstest.NewCluster()
	written := write(t, openJournal(t, dir), recorded(cluster.PowerOff))
	cleaner := newWorld(t).CleanerOf(machines, nil, nil)
	cleaner.Cluster = cluster.Identity{UID: "other", CA: "other"}
	undone, err := cleaner.UndoPending(t.Context(), dir)
	var other *faults.OtherClusterError
	if !errors.As(err, &other) || other.Of != faultstest.Identity() || other.Found != cleaner.Cluster || len(undone) != 1 ||
		undone[0].Err == nil {
		t.Errorf("got %v, %+v", err, undone)
	}
	path := filepath.Join(dir, written.ID+".json")
	faultstest.ExpectError(t, err, path)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the record: %v", err)
	}
}

// TestWhatAFaultRecordsOfItsTarget looks at the record on disk while the machine is hit.
func TestWhatAFaultRecordsOfItsTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Change(t, "worker-1", func(n *corev1.Node) { n.Status.NodeInfo.BootID = "api-boot-0" })
	d := w.Disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	var seen []faults.Record
	w.Cluster.Meanders = func(cluster.Action, *cluster.Node) { seen = w.Records(t) }
	if err := d.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || seen[0].Version != 3 || seen[0].ClusterID != faultstest.Identity() || seen[0].Object.UID != "uid-of-node" {
		t.Fatalf("recorded before the hit: %+v", seen)
	}
	decoded, err := faults.Catalogue{Family()}.Undos().Decode(seen[0])
	if action, ok := decoded.(undoing); err != nil || !ok || action.Action != cluster.PowerOff || action.Boot != "api-boot-0" ||
		action.Before.BootID != "boot-0-1" {
		t.Errorf("recorded before the hit: %+v, %v", decoded, err)
	}
}

// TestARecordOfVersion1IsRead is a file as it was written before clusters had identities.
func TestARecordOfVersion1IsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := `{"version":1,"id":"0001-f","run":"r","fault":"f","kind":"nodePowerOff","clusterKind":"embedded","cluster":"test",` +
		`"written":"2026-01-02T03:04:05Z",` +
		`"target":{"object":{"kind":"Node","name":"worker-1","uid":"uid-of-node"},"node":"worker-1","action":"power-off",` +
		`"before":{"name":"worker-1","power":"on",` +
		`"frozen":false,"isolated":false,"kubelet":true,"address":"","bootID":"boot-0-1","processes":3}}}` + "\n"
	if err := os.WriteFile(filepath.Join(dir, "0001-f.json"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	struck(&w.Cluster.Workers[0])
	w.Cluster.Workers[0].BootID = ""
	asked := 0
	cleaner := w.CleanerOf(w.Cluster, w.API, nil)
	cleaner.Confirm = func(question string) error {
		asked++
		faultstest.ExpectError(t, errors.New(question), "nothing proves that they are one")
		return nil
	}
	if _, err := cleaner.UndoPending(t.Context(), dir); err != nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	if diff := cmp.Diff([]string{"power-on worker-1"}, w.Cluster.Did()); diff != "" {
		t.Error(diff)
	}
}

// TestNothingIsDoneOnceTheClusterIsLost has the hold of the cluster be lost at each step of a fault.
func TestNothingIsDoneOnceTheClusterIsLost(t *testing.T) {
	t.Parallel()
	lost := errors.New("the lease was taken by another harness")
	for name, tt := range map[string]struct {
		after int // questions that are answered with yes
		did   []string
		open  int // undo records
	}{
		"before anything is recorded": {0, nil, 0},
		"while the record is written": {1, nil, 0},
		"while the fault holds":       {2, []string{"power-off worker-1"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			asked := 0
			w.Env.MayAct = func(context.Context) error {
				if asked++; asked > tt.after {
					return lost
				}
				return nil
			}
			d := w.Disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
			err := d.Inject(t.Context())
			if tt.did == nil {
				var notLanded *faults.NotLandedError
				if !errors.As(err, &notLanded) || !errors.Is(err, lost) {
					t.Errorf("injected: %v", err)
				}
				if err := d.CleanUp(t.Context()); err != nil {
					t.Errorf("cleaned up: %v", err)
				}
			} else {
				var notRecovered *faults.NotRecoveredError
				if err := errors.Join(err, d.Recover(t.Context())); !errors.As(err, &notRecovered) || !errors.Is(err, lost) {
					t.Errorf("recovered: %v", err)
				}
			}
			if diff := cmp.Diff(tt.did, w.Cluster.Did()); diff != "" {
				t.Error(diff)
			}
			if open := w.Open(t); len(open) != tt.open {
				t.Errorf("open undo records: %v", open)
			}
		})
	}
}

package machine

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
)

// TestUndoWhateverTheHarnessLeft is the harness's SIGKILL at every moment of an injection and a recovery.
func TestUndoWhateverTheHarnessLeft(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		action cluster.Action
		left   func(n *cluster.Node)
		did    []string
	}{
		{"nothing was done", cluster.PowerOff, func(*cluster.Node) {}, nil},
		{"only the cable was cut", cluster.PowerOff, func(n *cluster.Node) { n.Isolated = true }, []string{"rejoin worker-1"}},
		{"the processes were being ended", cluster.PowerOff, func(n *cluster.Node) { n.Isolated, n.Kubelet, n.Processes = true, false, 2 },
			[]string{"power-off worker-1", "power-on worker-1", "rejoin worker-1"}},
		{"off", cluster.PowerOff, func(n *cluster.Node) { n.Power, n.Kubelet, n.Processes = cluster.Off, false, 0 },
			[]string{"power-on worker-1"}},
		{"not frozen", cluster.Freeze, func(*cluster.Node) {}, nil},
		{"frozen", cluster.Freeze, func(n *cluster.Node) { n.Frozen = true }, []string{"thaw worker-1"}},
		{"frozen, then off", cluster.Freeze, func(n *cluster.Node) { n.Power = cluster.Off }, nil},
		{"not isolated", cluster.Isolate, func(*cluster.Node) {}, nil},
		{"isolated", cluster.Isolate, func(n *cluster.Node) { n.Isolated = true }, []string{"rejoin worker-1"}},
	}
	for _, test := range tests {
		t.Run(string(test.action)+": "+test.name, func(t *testing.T) {
			t.Parallel()
			machines := faultstest.NewCluster()
			healthy := machines.Workers[0]
			record := aRecord("f", "worker-1", test.action)
			test.left(&machines.Workers[0])
			offByOther := machines.Workers[0].Power == cluster.Off && test.action != cluster.PowerOff
			for round := range 2 {
				effect, err := newWorld(t).CleanerOf(machines, nil, nil).Undo(t.Context(), record)
				if err != nil || len(effect.Observations) == 0 {
					t.Fatalf("round %d: %v, %d observations", round, err, len(effect.Observations))
				}
			}
			if diff := cmp.Diff(test.did, machines.Did()); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			got := machines.Workers[0]
			got.BootID = healthy.BootID
			if diff := cmp.Diff(healthy, got); diff != "" && !offByOther {
				t.Errorf("node (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUndoRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		setup func(*faultstest.Cluster, *faults.Record)
		want  string
	}{
		{"another cluster", func(_ *faultstest.Cluster, r *faults.Record) { r.Cluster, r.ClusterID = "prod", cluster.Identity{} },
			"it was done to cluster prod, not to test"},
		{"a node that is not there", func(_ *faultstest.Cluster, r *faults.Record) { r.Node = "worker-9" },
			"has no node worker-9: its workers are [worker-1 worker-2 worker-3]"},
		{"a cluster that does not answer", func(c *faultstest.Cluster, _ *faults.Record) { c.NodesErr = faultstest.ErrBroken },
			"look at node worker-1"},
		{"a node that does not come on", func(c *faultstest.Cluster, _ *faults.Record) {
			c.Workers[0].Power, c.Refuse[cluster.PowerOn] = cluster.Off, faultstest.ErrBroken
		}, "power-on: broken on purpose"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			machines, record := faultstest.NewCluster(), aRecord("f", "worker-1", cluster.PowerOff)
			test.setup(machines, &record)
			if _, err := newWorld(t).CleanerOf(machines, nil, nil).Undo(t.Context(), record); err == nil ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestUndoThatSomebodyElseDidMeanwhile(t *testing.T) {
	t.Parallel()
	machines := faultstest.NewCluster()
	machines.Workers[0].Frozen = true
	other := &thawedByOther{machines}
	effect, err := newWorld(t).CleanerOf(other, nil, nil).Undo(t.Context(), aRecord("f", "worker-1", cluster.Freeze))
	if err != nil || !strings.Contains(effect.Observations[0].What, "not in effect any more") {
		t.Errorf("got %+v, %v", effect, err)
	}
}

func TestUndoPendingGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	dir, machines := t.TempDir(), faultstest.NewCluster()
	journal := openJournal(t, dir)
	write(t, journal, aRecord("cut", "worker-1", cluster.Isolate))
	write(t, journal, aRecord("lose", "worker-1", cluster.PowerOff))
	write(t, journal, aRecord("kill", "worker-1", ""))
	machines.Workers[0].Isolated, machines.Workers[0].Power, machines.Workers[0].Kubelet = true, cluster.Off, false
	machines.Refuse[cluster.PowerOn] = faultstest.ErrBroken

	undone, err := newWorld(t).CleanerOf(machines, nil, nil).UndoPending(t.Context(), dir)
	if !errors.Is(err, faultstest.ErrBroken) {
		t.Errorf("got %v, want %v", err, faultstest.ErrBroken)
	}
	var order []string
	for _, u := range undone {
		order = append(order, u.Record.Fault)
	}
	if diff := cmp.Diff([]string{"kill", "lose", "cut"}, order); diff != "" {
		t.Errorf("the latest is undone first:\n%s", diff)
	}
	if left, err := faults.Pending(dir, faults.Catalogue{Family()}.Undos()); len(left) != 1 || left[0].Fault != "lose" || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}

	delete(machines.Refuse, cluster.PowerOn)
	for range 2 {
		if _, err := newWorld(t).CleanerOf(machines, nil, nil).UndoPending(t.Context(), dir); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"rejoin worker-1", "power-on worker-1"}, machines.Did()); diff != "" {
		t.Error(diff)
	}
}

func TestTwoFaultsAtOneNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cut := w.Disturbance(t, "cut", "nodeIsolate", &NodeIsolateArgs{Node: faultstest.NodeNamed("worker-1")})
	lose := w.Disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	again := w.Disturbance(t, "again", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	if err := errors.Join(cut.Inject(t.Context()), lose.Inject(t.Context())); err != nil {
		t.Fatal(err)
	}
	var notLanded *faults.NotLandedError
	if err := again.Inject(t.Context()); !errors.As(err, &notLanded) {
		t.Errorf("the same twice: %v", err)
	}
	if err := errors.Join(again.CleanUp(t.Context()), lose.Recover(t.Context())); err != nil {
		t.Fatal(err)
	}
	node := w.Cluster.Workers[0]
	if node.Power != cluster.On || !node.Isolated {
		t.Errorf("recovering one fault undid the other: %+v", node)
	}
	if err := cut.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"isolate worker-1", "power-off worker-1", "power-on worker-1", "rejoin worker-1"},
		w.Cluster.Did()); diff != "" {
		t.Error(diff)
	}
}

// TestSameFaultRaces is the moment between the look at the node and the action: both faults see it on.
func TestSameFaultRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	again := w.Disturbance(t, "again", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	lose := w.Disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: faultstest.NodeNamed("worker-1")})
	var second error
	inner := false
	w.Cluster.Meanders = func(cluster.Action, *cluster.Node) {
		if inner {
			return
		}
		inner = true
		done := make(chan struct{})
		// The first fault's action has not returned yet: its node still counts as on.
		w.Cluster.Node("worker-1").Power = cluster.On
		w.Cluster.Unlock()
		go func() { defer close(done); second = again.Inject(t.Context()) }()
		<-done
		w.Cluster.Lock()
		w.Cluster.Node("worker-1").Power = cluster.Off
	}
	if err := lose.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	var held *faults.HeldError
	if !errors.As(second, &held) || held.Fault != "lose" {
		t.Fatalf("got %v, want a HeldError of lose", second)
	}
	if err := again.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if node := w.Cluster.Workers[0]; node.Power != cluster.Off {
		t.Error("cleaning up the refused fault powered the other's node on")
	}
}

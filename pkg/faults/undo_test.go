package faults

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
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
		{"off", cluster.PowerOff, func(n *cluster.Node) { n.Power, n.Kubelet, n.Processes = cluster.Off, false, 0 }, []string{"power-on worker-1"}},
		{"not frozen", cluster.Freeze, func(*cluster.Node) {}, nil},
		{"frozen", cluster.Freeze, func(n *cluster.Node) { n.Frozen = true }, []string{"thaw worker-1"}},
		{"frozen, then off", cluster.Freeze, func(n *cluster.Node) { n.Power = cluster.Off }, nil},
		{"not isolated", cluster.Isolate, func(*cluster.Node) {}, nil},
		{"isolated", cluster.Isolate, func(n *cluster.Node) { n.Isolated = true }, []string{"rejoin worker-1"}},
	}
	for _, test := range tests {
		t.Run(string(test.action)+": "+test.name, func(t *testing.T) {
			t.Parallel()
			machines := newFakeCluster()
			healthy := machines.nodes[0]
			record := aRecord("f", "worker-1", test.action)
			test.left(&machines.nodes[0])
			offByOther := machines.nodes[0].Power == cluster.Off && test.action != cluster.PowerOff
			for round := range 2 {
				effect, err := cleanerOf(machines, nil, nil).Undo(t.Context(), record)
				if err != nil || len(effect.Observations) == 0 {
					t.Fatalf("round %d: %v, %d observations", round, err, len(effect.Observations))
				}
			}
			if diff := cmp.Diff(test.did, machines.did()); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			got := machines.nodes[0]
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
		setup func(*fakeCluster, *Record)
		want  string
	}{
		{"another cluster", func(_ *fakeCluster, r *Record) { r.Cluster, r.ClusterID = "prod", cluster.Identity{} }, "it was done to cluster prod, not to test"},
		{"a node that is not there", func(_ *fakeCluster, r *Record) { r.Node = "worker-9" }, "has no node worker-9: its workers are [worker-1 worker-2 worker-3]"},
		{"a cluster that does not answer", func(c *fakeCluster, _ *Record) { c.nodesErr = errBroken }, "look at node worker-1"},
		{"a node that does not come on", func(c *fakeCluster, _ *Record) {
			c.nodes[0].Power, c.refuse[cluster.PowerOn] = cluster.Off, errBroken
		}, "power-on: broken on purpose"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			machines, record := newFakeCluster(), aRecord("f", "worker-1", cluster.PowerOff)
			test.setup(machines, &record)
			if _, err := cleanerOf(machines, nil, nil).Undo(t.Context(), record); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestUndoThatSomebodyElseDidMeanwhile(t *testing.T) {
	t.Parallel()
	machines := newFakeCluster()
	machines.nodes[0].Frozen = true
	other := &thawedByOther{machines}
	effect, err := cleanerOf(other, nil, nil).Undo(t.Context(), aRecord("f", "worker-1", cluster.Freeze))
	if err != nil || !strings.Contains(effect.Observations[0].What, "not in effect any more") {
		t.Errorf("got %+v, %v", effect, err)
	}
}

func TestUndoPendingGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	dir, machines := t.TempDir(), newFakeCluster()
	journal := openJournal(t, dir)
	write(t, journal, aRecord("cut", "worker-1", cluster.Isolate))
	write(t, journal, aRecord("lose", "worker-1", cluster.PowerOff))
	write(t, journal, aRecord("kill", "worker-1", ""))
	machines.nodes[0].Isolated, machines.nodes[0].Power, machines.nodes[0].Kubelet = true, cluster.Off, false
	machines.refuse[cluster.PowerOn] = errBroken

	undone, err := cleanerOf(machines, nil, nil).UndoPending(t.Context(), dir)
	if !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
	var order []string
	for _, u := range undone {
		order = append(order, u.Record.Fault)
	}
	if diff := cmp.Diff([]string{"kill", "lose", "cut"}, order); diff != "" {
		t.Errorf("the latest is undone first:\n%s", diff)
	}
	if left, err := Pending(dir, Undos()); len(left) != 1 || left[0].Fault != "lose" || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}

	delete(machines.refuse, cluster.PowerOn)
	for range 2 {
		if _, err := cleanerOf(machines, nil, nil).UndoPending(t.Context(), dir); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"rejoin worker-1", "power-on worker-1"}, machines.did()); diff != "" {
		t.Error(diff)
	}
}

func TestTwoFaultsAtOneNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cut := w.disturbance(t, "cut", "nodeIsolate", &NodeIsolateArgs{Node: nodeNamed("worker-1")})
	lose := w.disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: nodeNamed("worker-1")})
	again := w.disturbance(t, "again", "nodePowerOff", &NodePowerOffArgs{Node: nodeNamed("worker-1")})
	if err := errors.Join(cut.Inject(t.Context()), lose.Inject(t.Context())); err != nil {
		t.Fatal(err)
	}
	var notLanded *NotLandedError
	if err := again.Inject(t.Context()); !errors.As(err, &notLanded) {
		t.Errorf("the same twice: %v", err)
	}
	if err := errors.Join(again.CleanUp(t.Context()), lose.Recover(t.Context())); err != nil {
		t.Fatal(err)
	}
	node := w.cluster.nodes[0]
	if node.Power != cluster.On || !node.Isolated {
		t.Errorf("recovering one fault undid the other: %+v", node)
	}
	if err := cut.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"isolate worker-1", "power-off worker-1", "power-on worker-1", "rejoin worker-1"}, w.cluster.did()); diff != "" {
		t.Error(diff)
	}
}

// TestSameFaultRaces is the moment between the look at the node and the action: both faults see it on.
func TestSameFaultRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	again := w.disturbance(t, "again", "nodePowerOff", &NodePowerOffArgs{Node: nodeNamed("worker-1")})
	lose := w.disturbance(t, "lose", "nodePowerOff", &NodePowerOffArgs{Node: nodeNamed("worker-1")})
	var second error
	inner := false
	w.cluster.meanders = func(cluster.Action, *cluster.Node) {
		if inner {
			return
		}
		inner = true
		done := make(chan struct{})
		// The first fault's action has not returned yet: its node still counts as on.
		w.cluster.node("worker-1").Power = cluster.On
		w.cluster.mu.Unlock()
		go func() { defer close(done); second = again.Inject(t.Context()) }()
		<-done
		w.cluster.mu.Lock()
		w.cluster.node("worker-1").Power = cluster.Off
	}
	if err := lose.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	if !errors.As(second, &held) || held.Fault != "lose" {
		t.Fatalf("got %v, want a HeldError of lose", second)
	}
	if err := again.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if node := w.cluster.nodes[0]; node.Power != cluster.Off {
		t.Error("cleaning up the refused fault powered the other's node on")
	}
}

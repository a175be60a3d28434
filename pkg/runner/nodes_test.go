package runner

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults/nodeobject"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// onCluster is a run that has just found a cluster with two workers, whose states the function changes first.
func onCluster(t *testing.T, change func(machine *cluster.Node, object *corev1.Node)) *run {
	t.Helper()
	directory := Directory(t.TempDir())
	machines := newFakeMachines("n1", "n2")
	first, second := readyNode("n1"), readyNode("n2")
	first.Status.NodeInfo.BootID = "boot-1"
	change(machines.nodes["n1"], first)
	return runOn(t, newLimitedFile(t, directory), directory, machines, fakeAPI(first, second))
}

func observed(t *testing.T, r *run) []history.ClusterData {
	t.Helper()
	file, err := os.Open(r.directory.History())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var all []history.ClusterData
	for event, err := range history.NewReader(file).All() {
		if err != nil {
			t.Fatal(err)
		}
		if event.Type != history.ClusterObserved {
			continue
		}
		var data history.ClusterData
		if err := json.Unmarshal(event.Data, &data); err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

func TestTheStateOfTheNodesIsRecorded(t *testing.T) {
	t.Parallel()
	r := onCluster(t, func(_ *cluster.Node, object *corev1.Node) {
		object.Spec.Unschedulable = true
		object.Spec.Taints = []corev1.Taint{{Key: "example.com/x", Value: "y", Effect: corev1.TaintEffectNoSchedule}}
	})
	if err := r.observeBefore(t.Context()); err != nil {
		t.Fatalf("a node that an operator cordoned is refused: %v", err)
	}
	if _, err := r.cluster.Do(t.Context(), cluster.PowerOff, "n2"); err != nil {
		t.Fatal(err)
	}
	r.observeAfter(t.Context())
	first := history.NodeState{
		Name: "n1", UID: "uid-of-n1", BootID: "boot-1", Ready: true, Unschedulable: true, Taints: []string{"example.com/x=y:NoSchedule"},
		Machine: "running",
	}
	second := history.NodeState{Name: "n2", UID: "uid-of-n1", Ready: true, Machine: "running"}
	off := second
	off.Machine, off.Disturbed = "off", true
	want := []history.ClusterData{{When: "before", Nodes: []history.NodeState{first, second}},
		{When: "after", Nodes: []history.NodeState{first, off}}}
	if diff := cmp.Diff(want, observed(t, r)); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	left, err := r.nodesLeft(t.Context())
	if diff := cmp.Diff([]history.Object{{Kind: "Node", Name: "n2"}}, left); diff != "" || err != nil {
		t.Errorf("left: %v\n%s", err, diff)
	}
}

func TestAnUnhealthyClusterIsRefused(t *testing.T) {
	t.Parallel()
	notReady := func(object *corev1.Node) { object.Status.Conditions[0].Status = corev1.ConditionUnknown }
	for name, tt := range map[string]struct {
		change func(machine *cluster.Node, object *corev1.Node)
		made   bool
		want   []string // of the error; nil: it is accepted
	}{
		"off": {change: func(m *cluster.Node, _ *corev1.Node) { m.Power = cluster.Off },
			want: []string{"node n1 is off", "sparkchaos cluster node power-on n1 --cluster fake --name c"}},
		"frozen": {change: func(m *cluster.Node, _ *corev1.Node) { m.Frozen = true },
			want: []string{"node n1 is frozen", "cluster node thaw n1"}},
		"isolated": {change: func(m *cluster.Node, _ *corev1.Node) { m.Isolated = true },
			want: []string{"node n1 is isolated", "cluster node rejoin n1"}},
		"without kubelet": {change: func(m *cluster.Node, _ *corev1.Node) { m.Kubelet = false },
			want: []string{"node n1 is kubeletStopped", "cluster node kubelet-start n1"}},
		"off and noticed": {change: func(m *cluster.Node, o *corev1.Node) { m.Power = cluster.Off; notReady(o) },
			want: []string{"node n1 is off"}},
		"marked by a fault": {change: func(_ *cluster.Node, o *corev1.Node) {
			o.Annotations = map[string]string{nodeobject.UndoAnnotation: "[]"}
		}, want: []string{"node n1 still has what a fault", "sparkchaos cleanup"}},
		"not Ready":                 {change: func(_ *cluster.Node, o *corev1.Node) { notReady(o) }, want: []string{"node n1 is not Ready"}},
		"well":                      {change: func(*cluster.Node, *corev1.Node) {}},
		"of a cluster that it made": {change: func(m *cluster.Node, _ *corev1.Node) { m.Power = cluster.Off }, made: true},
		"a control plane is not Ready": {change: func(m *cluster.Node, o *corev1.Node) {
			o.Name = "control-plane"
			notReady(o)
			*m = cluster.Node{Name: "n2", Power: cluster.On, Kubelet: true}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // a node that is not Ready is given time
				r := onCluster(t, tt.change)
				r.made = tt.made
				err := r.observeBefore(t.Context())
				if (err == nil) != (tt.want == nil) {
					t.Fatalf("%v, want %q", err, tt.want)
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%v, want %q", err, want)
					}
				}
				if len(observed(t, r)) != 1 {
					t.Error("the state before the run is not recorded")
				}
				if left, err := r.nodesLeft(t.Context()); err != nil || len(left) != 0 {
					t.Errorf("what was so before the run is left behind by it: %v, %v", left, err)
				}
			})
		})
	}
}

func TestOfWhatIsNotKnownTheRunIsNotBlamed(t *testing.T) {
	t.Parallel()
	r := onCluster(t, func(m *cluster.Node, _ *corev1.Node) { m.Frozen = true })
	left, err := r.nodesLeft(t.Context())
	if len(left) != 0 || err == nil || !strings.Contains(err.Error(), "not known whether it was before the run") {
		t.Errorf("left %v, %v", left, err)
	}
	r.made = true
	if left, err := r.nodesLeft(t.Context()); len(left) != 1 || err != nil {
		t.Errorf("of a cluster that it made: left %v, %v; want n1", left, err)
	}
}

package catalogue_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/faults/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/faults/nodeobject"
	"github.com/sparkchaos/sparkchaos/pkg/faults/pod"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestEffects(t *testing.T) {
	t.Parallel()
	type test struct {
		kind string
		args any // nil: those of the conformance test
		want []history.Effect
	}
	tests := []test{
		{kind: "nodePowerOff", want: []history.Effect{history.EndsProcesses, history.SilencesNode}},
		{kind: "nodeShutdown", want: []history.Effect{history.EndsPods, history.EndsProcesses, history.SilencesNode}},
		{kind: "nodeIsolate", want: []history.Effect{history.CutsNetwork, history.SilencesNode}},
		{kind: "nodeFreeze", want: []history.Effect{history.Pauses, history.SilencesNode}},
		{kind: "nodeOutOfService", want: []history.Effect{history.EndsPods, history.MarksNode}},
		{kind: "nodeCordon", want: []history.Effect{history.MarksNode}},
		{kind: "nodeDrain", want: []history.Effect{history.EndsPods, history.MarksNode}},
		{kind: "nodeTaint", want: []history.Effect{history.EndsPods, history.MarksNode}},
		{
			kind: "nodeTaint", args: &nodeobject.NodeTaintArgs{Node: faultstest.NodeNamed("worker-1"), Key: "example.com/x", Effect: "NoSchedule"},
			want: []history.Effect{history.MarksNode},
		},
		{kind: "podKill", want: []history.Effect{history.EndsPods}},
		{kind: "podEvict", want: []history.Effect{history.EndsPods}},
		{kind: "podFailure", want: []history.Effect{history.EndsProcesses}},
		{kind: "containerKill", want: []history.Effect{history.EndsProcesses}},
		{kind: "networkPartition", want: []history.Effect{history.CutsNetwork}},
		{kind: "networkDelay", want: []history.Effect{history.Slows}},
		{kind: "networkLoss", want: []history.Effect{history.Slows}},
		{
			kind: "networkLoss", args: &chaosmesh.NetworkLossArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Percent: 100},
			want: []history.Effect{history.CutsNetwork},
		},
		{kind: "bandwidth", want: []history.Effect{history.Slows}},
		{kind: "clockSkew", want: []history.Effect{history.SkewsClock}},
		{kind: "cpuStress", want: []history.Effect{history.Slows}},
		{kind: "memoryStress", want: []history.Effect{history.Slows}},
	}
	for _, kind := range catalogue.All().Kinds() {
		if !slices.ContainsFunc(tests, func(test test) bool { return test.kind == kind.Name }) {
			t.Errorf("%s: say here what it does to what runs on its targets", kind.Name)
		}
	}
	for _, test := range tests {
		args := test.args
		if args == nil {
			args = faultstest.New(t, catalogue.All()...).Example(t, test.kind)
		}
		got, err := catalogue.All().EffectsOf(test.kind, args)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("effects of %s: %v\n%s", test.kind, err, diff)
		}
	}
}

func TestEffectsOfWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, bad := range []struct {
		kind string
		args any
	}{{"nodeExplosion", nil}, {"nodePowerOff", nil}, {"nodePowerOff", &pod.PodKillArgs{}}} {
		if got, err := catalogue.All().EffectsOf(bad.kind, bad.args); err == nil {
			t.Errorf("effects of %s with %T: %v, want an error", bad.kind, bad.args, got)
		}
	}
}

// TestWhatHoldsANode: pods on a node whose kubelet is silent are not seen to end before the fault is undone.
func TestWhatHoldsANode(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]bool{"nodePowerOff": true, "nodeIsolate": true, "nodeCordon": false, "podKill": false,
		"networkDelay": false} {
		w := newWorld(t).Suiting(kind)
		d := w.DisturbanceBy(t, "f", kind, "", w.Example(t, kind))
		if d.Holds("worker-1") {
			t.Errorf("%s holds the node before it is injected", kind)
		}
		if err := d.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d.Holds("worker-1") != want || d.Holds("worker-2") {
			t.Errorf("%s holds worker-1: %v, worker-2: %v; want %v and false", kind, d.Holds("worker-1"), d.Holds("worker-2"), want)
		}
		if err := errors.Join(d.Recover(t.Context()), d.CleanUp(t.Context())); err != nil {
			t.Fatal(err)
		}
		if d.Holds("worker-1") {
			t.Errorf("%s holds the node when it is undone", kind)
		}
	}
}

package look

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/faultstest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestResolveNode(t *testing.T) {
	t.Parallel()
	all := faultstest.Targets{
		Pod: faults.Pod{Name: "driver", Node: "worker-1"},
		Others: []faults.Pod{
			{Name: "exec-1", Node: "worker-1"}, {Name: "exec-2", Node: "worker-2"}, {Name: "exec-3", Node: "worker-3"},
		},
	}
	executor := func(index int, without string) scenario.NodeSelector {
		return scenario.NodeSelector{Of: scenario.OfExecutor, Index: &index, Without: without}
	}
	tests := []struct {
		name     string
		targets  faultstest.Targets
		selector scenario.NodeSelector
		want     string
		problem  string
	}{
		{"driver", all, scenario.NodeSelector{Of: scenario.OfDriver}, "worker-1", ""},
		{"executor", all, executor(1, ""), "worker-2", ""},
		{"executor off the driver's node", all, executor(1, scenario.OfDriver), "worker-3", ""},
		{"name", faultstest.Targets{Err: faultstest.ErrBroken}, faultstest.NodeNamed("worker-9"), "worker-9", ""},
		{"too few executors", all, executor(3, ""), "",
			"no executor number 3 (counted from 0): live executors are [exec-1 on worker-1 exec-2 on worker-2 exec-3 on worker-3]"},
		{"too few off the driver's node", all, executor(2, scenario.OfDriver), "",
			"no executor number 2 (counted from 0) off the driver's node worker-1"},
		{"nothing chosen", all, scenario.NodeSelector{Of: scenario.OfExecutor}, "", "no executor was chosen"},
		{"no driver", faultstest.Targets{Err: faultstest.ErrBroken}, scenario.NodeSelector{Of: scenario.OfDriver}, "",
			"find the driver: broken on purpose"},
		{"no executors known", faultstest.Targets{Err: faultstest.ErrBroken}, executor(0, ""), "", "find the executors: broken on purpose"},
		{"driver not placed", faultstest.Targets{Pod: faults.Pod{Namespace: "n", Name: "d"}}, scenario.NodeSelector{Of: scenario.OfDriver}, "",
			"pod n/d is on no node yet"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := NodeOf(test.targets, test.selector)
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if test.problem != "" {
				faultstest.ExpectError(t, err, test.problem)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

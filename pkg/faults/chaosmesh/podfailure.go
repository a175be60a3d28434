package chaosmesh

import (
	"fmt"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// PodFailureArgs are the arguments of podFailure.
type PodFailureArgs struct {
	// Pod is the pod whose containers are replaced by ones that do nothing.
	Pod scenario.PodSelector `json:"pod"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *PodFailureArgs) Choose(executors int, pick func(n int) int) { a.Pod.Choose(executors, pick) }

func podFailureKind() faults.Kind {
	return faults.Definition[PodFailureArgs]{
		Name: "podFailure",
		Doc: "A pod keeps its object and its node, but its containers end and are replaced by ones that do nothing; recovering restores its " +
			"images.",
		Example: PodFailureArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[PodFailureArgs](history.EndsProcesses),
		Check:   func(a PodFailureArgs) []string { return a.Pod.Problems("pod") },
		ByChaosMesh: func(a PodFailureArgs) faults.Fault {
			return chaosFault{words: fmt.Sprintf("make %s fail in its place", a.Pod), pod: a.Pod,
				effect: podChaos{action: v1alpha1.PodFailureAction}}
		},
	}.Kind()
}

package chaosmesh

import (
	"fmt"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// ContainerKillArgs are the arguments of containerKill.
type ContainerKillArgs struct {
	// Pod is the pod whose containers are killed.
	Pod scenario.PodSelector `json:"pod"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *ContainerKillArgs) Choose(executors int, pick func(n int) int) {
	a.Pod.Choose(executors, pick)
}

func containerKillKind() faults.Kind {
	return faults.Definition[ContainerKillArgs]{
		Name: "containerKill",
		Doc: "The containers of a pod are killed (exit code 137) in the container runtime, without the kubelet's knowledge; nothing has to " +
			"be undone.",
		Example: ContainerKillArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[ContainerKillArgs](history.EndsProcesses),
		Instant: true,
		Check:   func(a ContainerKillArgs) []string { return a.Pod.Problems("pod") },
		ByChaosMesh: func(a ContainerKillArgs) faults.Fault {
			return chaosFault{words: fmt.Sprintf("kill the containers of %s", a.Pod), pod: a.Pod,
				effect: podChaos{action: v1alpha1.ContainerKillAction}}
		},
	}.Kind()
}

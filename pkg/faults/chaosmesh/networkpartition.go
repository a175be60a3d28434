package chaosmesh

import (
	"fmt"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NetworkPartitionArgs are the arguments of networkPartition.
type NetworkPartitionArgs struct {
	// Pod and From are the two pods between which no packet passes.
	Pod  scenario.PodSelector `json:"pod"`
	From scenario.PodSelector `json:"from"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *NetworkPartitionArgs) Choose(executors int, pick func(n int) int) {
	a.Pod.Choose(executors, pick)
	a.From.Choose(executors, pick)
}

func networkPartitionKind() faults.Kind {
	return faults.Definition[NetworkPartitionArgs]{
		Name: "networkPartition",
		Doc:  "Two pods cannot reach each other, in both directions, while each reaches all others; recovering reconnects them.",
		Example: NetworkPartitionArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver},
			From: scenario.PodSelector{Of: scenario.OfExecutor, Index: new(0)}},
		Effects: faults.Always[NetworkPartitionArgs](history.CutsNetwork),
		Check: func(a NetworkPartitionArgs) []string {
			return append(a.Pod.Problems("pod"), a.From.Problems("from")...)
		},
		ByChaosMesh: func(a NetworkPartitionArgs) faults.Fault {
			return chaosFault{
				words: fmt.Sprintf("part %s from %s", a.Pod, a.From), pod: a.Pod, peer: &a.From,
				effect: networkChaos{action: v1alpha1.PartitionAction, seen: allSilent, probes: 2},
			}
		},
	}.Kind()
}

// allSilent is what is seen of a partition.
func allSilent(found answers, _ time.Duration) string {
	if len(found.roundTrip) > 0 {
		return ""
	}
	return fmt.Sprintf("none of %d probes was answered within %v", found.silent, silentAfter)
}

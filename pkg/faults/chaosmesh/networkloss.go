package chaosmesh

import (
	"fmt"
	"strconv"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NetworkLossArgs are the arguments of networkLoss.
type NetworkLossArgs struct {
	// Pod and From are the two pods between which packets are lost.
	Pod  scenario.PodSelector `json:"pod"`
	From scenario.PodSelector `json:"from"`
	// Percent of the packets are lost in each direction; less than the least could not be distinguished from nothing by some probes.
	Percent int `json:"percent" min:"25" max:"100"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *NetworkLossArgs) Choose(executors int, pick func(n int) int) {
	a.Pod.Choose(executors, pick)
	a.From.Choose(executors, pick)
}

func networkLossKind() faults.Kind {
	return faults.Definition[NetworkLossArgs]{
		Name: "networkLoss",
		Doc:  "Packets between two pods are lost; needs netem in the nodes' kernel.",
		Example: NetworkLossArgs{
			Pod: scenario.PodSelector{Of: scenario.OfDriver}, From: scenario.PodSelector{Of: scenario.OfExecutor, Index: new(0)}, Percent: 50,
		},
		Effects: func(a NetworkLossArgs) []history.Effect {
			if a.Percent == 100 { // nothing gets through
				return []history.Effect{history.CutsNetwork}
			}
			return []history.Effect{history.Slows}
		},
		Check: func(a NetworkLossArgs) []string { return append(a.Pod.Problems("pod"), a.From.Problems("from")...) },
		ByChaosMesh: func(a NetworkLossArgs) faults.Fault {
			return chaosFault{
				words: fmt.Sprintf("lose %d %% of the packets between %s and %s", a.Percent, a.Pod, a.From), pod: a.Pod, peer: &a.From,
				effect: networkChaos{
					action: v1alpha1.LossAction, parameters: v1alpha1.TcParameter{Loss: &v1alpha1.LossSpec{Loss: strconv.Itoa(a.Percent),
						Correlation: "0"}},
					seen: someSilent, probes: lossProbes, queues: []string{"netem", "prio"},
				},
			}
		},
	}.Kind()
}

const (
	// lossProbes is how many probes are made at a look. Each is one packet there and one back, so with the least loss that is
	// accepted four of ten stay without an answer.
	lossProbes = 10
	// leastSilent is how many of them tell a loss from a packet that was late: a network without loss answers all.
	leastSilent = 3
)

// someSilent is what is seen of a loss.
func someSilent(found answers, _ time.Duration) string {
	if found.silent < leastSilent {
		return ""
	}
	return fmt.Sprintf("%d of %d probes were not answered within %v, before all were", found.silent, found.silent+len(found.roundTrip),
		silentAfter)
}

package chaosmesh

import (
	"fmt"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NetworkDelayArgs are the arguments of networkDelay.
type NetworkDelayArgs struct {
	// Pod and From are the two pods between which each packet is late.
	Pod  scenario.PodSelector `json:"pod"`
	From scenario.PodSelector `json:"from"`
	// Latency is added to each packet in each direction.
	Latency scenario.Duration `json:"latency" min:"10ms" max:"400ms"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *NetworkDelayArgs) Choose(executors int, pick func(n int) int) {
	a.Pod.Choose(executors, pick)
	a.From.Choose(executors, pick)
}

func networkDelayKind() faults.Kind {
	return faults.Definition[NetworkDelayArgs]{
		Name: "networkDelay",
		Doc:  "Packets between two pods are delayed; needs netem in the nodes' kernel.",
		Example: NetworkDelayArgs{
			Pod: scenario.PodSelector{Of: scenario.OfDriver}, From: scenario.PodSelector{Of: scenario.OfExecutor, Index: new(0)},
			Latency: scenario.Duration(100 * time.Millisecond),
		},
		Effects: faults.Always[NetworkDelayArgs](history.Slows),
		Check:   func(a NetworkDelayArgs) []string { return append(a.Pod.Problems("pod"), a.From.Problems("from")...) },
		ByChaosMesh: func(a NetworkDelayArgs) faults.Fault {
			latency := time.Duration(a.Latency)
			return chaosFault{
				words: fmt.Sprintf("delay packets between %s and %s by %v", a.Pod, a.From, latency), pod: a.Pod, peer: &a.From,
				effect: networkChaos{
					action: v1alpha1.DelayAction, parameters: v1alpha1.TcParameter{Delay: &v1alpha1.DelaySpec{Latency: latency.String()}},
					seen: laterBy(latency), probes: 5, queues: []string{"netem", "prio"},
				},
			}
		},
	}.Kind()
}

// laterBy demands that an answer takes longer by the latency than before: it comes through one direction at least.
func laterBy(latency time.Duration) func(answers, time.Duration) string {
	return func(found answers, before time.Duration) string {
		if len(found.roundTrip) == 0 || found.median() < before+latency {
			return ""
		}
		return fmt.Sprintf("answers take %v (median of %d), before they took %v", found.median(), len(found.roundTrip), before)
	}
}

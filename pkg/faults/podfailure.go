package faults

import (
	"fmt"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

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

func podFailureKind() Kind {
	return definition[PodFailureArgs]{
		name:    "podFailure",
		doc:     "A pod keeps its object and its place, but its containers end and what takes their place does nothing; recovering gives it its images back.",
		effects: always[PodFailureArgs](history.EndsProcesses),
		check:   func(a PodFailureArgs) []string { return a.Pod.Problems("pod") },
		chaos: func(a PodFailureArgs) Fault {
			return chaosFault{words: fmt.Sprintf("make %s fail in its place", a.Pod), pod: a.Pod, effect: podChaos{action: v1alpha1.PodFailureAction}}
		},
	}.kind()
}

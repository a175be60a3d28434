package faults

import (
	"context"
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// PodEvictArgs are the arguments of podEvict.
type PodEvictArgs struct {
	// Pod is the pod that is evicted.
	Pod scenario.PodSelector `json:"pod"`
	// DryRun leaves the eviction out; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *PodEvictArgs) Choose(executors int, pick func(n int) int) { a.Pod.Choose(executors, pick) }

func podEvictKind() Kind {
	return definition[PodEvictArgs]{
		name:    "podEvict",
		doc:     "A pod is evicted through the Eviction API, with its own grace period and only if its PodDisruptionBudget allows it; nothing has to be undone.",
		instant: true,
		check:   func(a PodEvictArgs) []string { return a.Pod.Problems("pod") },
		build:   func(a PodEvictArgs) Fault { return podEvict{podKill: podKill{PodKillArgs{Pod: a.Pod}}, args: a} },
	}.kind()
}

// podEvict ends a pod as podKill does, but asks as an operator who drains a node.
type podEvict struct {
	podKill
	args PodEvictArgs
}

// Describe implements Fault.
func (f podEvict) Describe() string {
	if f.args.DryRun {
		return fmt.Sprintf("pretend to evict %s and do nothing: the proof has to notice", f.args.Pod)
	}
	return fmt.Sprintf("evict %s", f.args.Pod)
}

// Inject implements Fault.
func (f podEvict) Inject(ctx context.Context, env Env, target Target) (Effect, error) {
	effect := Effect{Began: env.Now()}
	if f.args.DryRun {
		return effect, nil
	}
	if err := evict(ctx, env, target.Object); err != nil {
		return effect, err
	}
	effect.Observations = []cluster.Observation{{What: "the API server accepted the eviction", How: "its answer, with the UID as precondition", At: env.Now()}}
	return effect, nil
}

package chaosmesh

import (
	"context"
	"fmt"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// CPUStressArgs are the arguments of cpuStress.
type CPUStressArgs struct {
	// Pod is the pod with whose first container the workers share their CPU.
	Pod scenario.PodSelector `json:"pod"`
	// Workers is how many processes compute.
	Workers int `json:"workers" min:"1" max:"64"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *CPUStressArgs) Choose(executors int, pick func(n int) int) { a.Pod.Choose(executors, pick) }

// MemoryStressArgs are the arguments of memoryStress.
type MemoryStressArgs struct {
	// Pod is the pod with whose first container the worker shares its memory.
	Pod scenario.PodSelector `json:"pod"`
	// Size is the memory that is taken, as Chaos Mesh writes it: 256MB.
	Size string `json:"size" pattern:"^[1-9][0-9]*(KB|MB|GB)$" like:"256MB"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *MemoryStressArgs) Choose(executors int, pick func(n int) int) { a.Pod.Choose(executors, pick) }

func cpuStressKind() faults.Kind {
	return faults.Definition[CPUStressArgs]{
		Name:    "cpuStress",
		Doc:     "Processes that only compute compete for the CPU of a pod's container; recovering ends them.",
		Example: CPUStressArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Workers: 1},
		Effects: faults.Always[CPUStressArgs](history.Slows),
		Check:   func(a CPUStressArgs) []string { return a.Pod.Problems("pod") },
		ByChaosMesh: func(a CPUStressArgs) faults.Fault {
			stressors := v1alpha1.Stressors{CPUStressor: &v1alpha1.CPUStressor{Stressor: v1alpha1.Stressor{Workers: a.Workers}}}
			return chaosFault{
				words: fmt.Sprintf("let %d processes compute beside %s", a.Workers, a.Pod), pod: a.Pod,
				effect: stressChaos{stressors: stressors, process: "stress-ng"},
			}
		},
	}.Kind()
}

func memoryStressKind() faults.Kind {
	return faults.Definition[MemoryStressArgs]{
		Name: "memoryStress",
		Doc: "A process takes memory of a pod's container; recovering ends it. Needs memStress in the image of chaos-daemon, which the image " +
			"built here lacks.",
		Example: MemoryStressArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Size: "64MB"},
		Effects: faults.Always[MemoryStressArgs](history.Slows),
		Check:   func(a MemoryStressArgs) []string { return a.Pod.Problems("pod") },
		ByChaosMesh: func(a MemoryStressArgs) faults.Fault {
			stressors := v1alpha1.Stressors{MemoryStressor: &v1alpha1.MemoryStressor{Stressor: v1alpha1.Stressor{Workers: 1}, Size: a.Size}}
			return chaosFault{
				words: fmt.Sprintf("take %s of the memory of %s", a.Size, a.Pod), pod: a.Pod,
				effect: stressChaos{stressors: stressors, process: "memStress"},
			}
		},
	}.Kind()
}

// stressChaos is StressChaos in the first container of a pod.
type stressChaos struct {
	stressors v1alpha1.Stressors
	process   string // what the names of the processes begin with that do it
}

// stressHow says how stress is looked at.
const stressHow = "processes of the container's control group and their CPU time in /proc, seen twice, a second apart"

// Kind implements chaosEffect.
func (stressChaos) Kind() string { return v1alpha1.KindStressChaos }

// OneShot implements chaosEffect.
func (stressChaos) OneShot() bool { return false }

// Spec implements chaosEffect.
func (s stressChaos) Spec(target chaosTarget) chaosmesh.Spec {
	spec := v1alpha1.StressChaosSpec{Stressors: &s.stressors, Duration: durationOf(deadline)}
	spec.PodSelector = chaosmesh.Pods(target.Object.Namespace, target.Object.Name)
	return spec
}

// Before implements chaosEffect.
func (s stressChaos) Before(ctx context.Context, env faults.Env, target *chaosTarget) error {
	found, err := s.processes(ctx, env, *target)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("pod %s has processes %v already", target.Object.Name, found)
	}
	return err
}

// Holds implements chaosEffect: the processes are there, and they work.
func (s stressChaos) Holds(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	found, err := s.processes(ctx, env, target)
	if err != nil {
		return cluster.Observation{}, err
	}
	if len(found) == 0 {
		return cluster.Observation{}, faults.SeenInstead("no process %s of the container of pod %s works", s.process, target.Object.Name)
	}
	return cluster.Observation{What: fmt.Sprintf("processes of the container that work: %s", strings.Join(found, ", ")), How: stressHow,
		At: env.Now()}, nil
}

// Over implements chaosEffect.
func (s stressChaos) Over(ctx context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	found, err := s.processes(ctx, env, target)
	if err != nil {
		return cluster.Observation{}, err
	}
	if len(found) > 0 {
		return cluster.Observation{}, fmt.Errorf("processes %v of the container still work", found)
	}
	return cluster.Observation{What: "no such process of the container is left", How: stressHow, At: env.Now()}, nil
}

// processes returns the processes of the container with that name whose CPU time grows, as "NAME(PID)".
func (s stressChaos) processes(ctx context.Context, env faults.Env, target chaosTarget) ([]string, error) {
	output, err := lookInside(ctx, env, target, "busy.sh", map[string]string{"process": s.process})
	if err != nil {
		return nil, fmt.Errorf("look at the processes of pod %s: %w", target.Object.Name, err)
	}
	return strings.Fields(output), nil
}

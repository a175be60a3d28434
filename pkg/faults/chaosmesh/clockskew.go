package chaosmesh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// The clocks of which a pod's processes can be told wrong times, by clock_gettime's names.
const (
	clockWall = "CLOCK_REALTIME"
	clockBoot = "CLOCK_BOOTTIME"
)

// ClockSkewArgs are the arguments of clockSkew.
type ClockSkewArgs struct {
	// Pod is the pod whose JVM sees a wrong time.
	Pod scenario.PodSelector `json:"pod"`
	// Ahead or Behind is by how much its clock is wrong; one of them. Less than the least could not be distinguished from a record
	// that was late.
	Ahead  scenario.Duration `json:"ahead,omitempty" min:"3s"`
	Behind scenario.Duration `json:"behind,omitempty" min:"3s"`
	// Clock is the one that is wrong; only the wall clock is seen to be. The other one, which no JVM reads, is for a control that shows that
	// a fault which is not seen is noticed.
	Clock string `json:"clock,omitempty" enum:"CLOCK_REALTIME|CLOCK_BOOTTIME"`
}

// Choose decides what the arguments leave open; see scenario.PodSelector.
func (a *ClockSkewArgs) Choose(executors int, pick func(n int) int) { a.Pod.Choose(executors, pick) }

// offset is what is added to the clock.
func (a ClockSkewArgs) offset() time.Duration {
	return time.Duration(a.Ahead) - time.Duration(a.Behind)
}

func clockSkewKind() faults.Kind {
	return faults.Definition[ClockSkewArgs]{
		Name: "clockSkew",
		Doc: "The processes of a pod that exist at the injection see a wrong time; recovering corrects it. The verdict takes such a clock " +
			"into account by the records of its JVM.",
		Example: ClockSkewArgs{Pod: scenario.PodSelector{Of: scenario.OfDriver}, Behind: scenario.Duration(time.Minute)},
		Effects: faults.Always[ClockSkewArgs](history.SkewsClock),
		Check:   checkClockSkew,
		ByChaosMesh: func(a ClockSkewArgs) faults.Fault {
			words := fmt.Sprintf("set the clock of %s ahead by %v", a.Pod, time.Duration(a.Ahead))
			if a.Behind > 0 {
				words = fmt.Sprintf("set the clock of %s back by %v", a.Pod, time.Duration(a.Behind))
			}
			clock := a.Clock
			if clock == "" {
				clock = clockWall
			}
			return chaosFault{words: words, pod: a.Pod, effect: timeChaos{offset: a.offset(), clock: clock}}
		},
	}.Kind()
}

func checkClockSkew(a ClockSkewArgs) []string {
	problems := a.Pod.Problems("pod")
	if (a.Ahead > 0) == (a.Behind > 0) {
		problems = append(problems, "give ahead or behind, and not both")
	}
	return problems
}

// timeChaos is TimeChaos of all processes of a pod that live at the injection.
type timeChaos struct {
	offset time.Duration
	clock  string
}

const (
	// skewHow says how a clock is looked at.
	skewHow = "the time in the latest heartbeat of the pod's JVM, beside the harness's clock when it arrived"
	// freshHeartbeat is how old the latest heartbeat may be, ten of them.
	freshHeartbeat = time.Second
)

// Kind implements chaosEffect.
func (timeChaos) Kind() string { return v1alpha1.KindTimeChaos }

// OneShot implements chaosEffect.
func (timeChaos) OneShot() bool { return false }

// Spec implements chaosEffect.
func (c timeChaos) Spec(target chaosTarget) chaosmesh.Spec {
	spec := v1alpha1.TimeChaosSpec{TimeOffset: c.offset.String(), ClockIds: []string{c.clock}, Duration: durationOf(deadline)}
	spec.PodSelector = chaosmesh.Pods(target.Object.Namespace, target.Object.Name)
	return spec
}

// Before implements chaosEffect: the clock has to be heard of.
func (c timeChaos) Before(_ context.Context, env faults.Env, target *chaosTarget) error {
	ahead, err := clockAhead(env, *target)
	target.Ahead = ahead
	return err
}

// Holds implements chaosEffect.
func (c timeChaos) Holds(_ context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	ahead, err := clockAhead(env, target)
	if err != nil {
		return cluster.Observation{}, err
	}
	moved := ahead - target.Ahead
	if (moved - c.offset).Abs() > c.offset.Abs()/4 {
		return cluster.Observation{}, faults.SeenInstead("the clock of pod %s moved by %v, expected %v", target.Object.Name,
			moved.Round(time.Millisecond), c.offset)
	}
	return cluster.Observation{What: fmt.Sprintf("the clock of the pod's JVM moved by %v", moved.Round(time.Millisecond)), How: skewHow,
		At: env.Now()}, nil
}

// Over implements chaosEffect.
func (c timeChaos) Over(_ context.Context, env faults.Env, target chaosTarget) (cluster.Observation, error) {
	ahead, err := clockAhead(env, target)
	if err != nil {
		return cluster.Observation{}, err
	}
	if moved := ahead - target.Ahead; moved.Abs() > c.offset.Abs()/4 {
		return cluster.Observation{}, fmt.Errorf("it is not over: the clock of pod %s is still off by %v", target.Object.Name,
			moved.Round(time.Millisecond))
	}
	return cluster.Observation{What: "the clock of the pod's JVM is as before", How: skewHow, At: env.Now()}, nil
}

// clockAhead returns by how much the clock of the pod's JVM is ahead of the harness's now.
func clockAhead(env faults.Env, target chaosTarget) (time.Duration, error) {
	if env.Heartbeats == nil {
		return 0, errors.New("no witness was asked for the clock of the pod's JVM")
	}
	arrived, ever := env.Heartbeats.Last(target.Object.UID)
	if !ever {
		return 0, fmt.Errorf("the witness never heard of pod %s, so its clock is not known: anchor this to something that the application does",
			target.Object.Name)
	}
	if silent := env.Now().Sub(arrived); silent > freshHeartbeat {
		return 0, fmt.Errorf("pod %s was last heard of %v ago, so its clock is not known", target.Object.Name, silent.Round(time.Millisecond))
	}
	return env.Heartbeats.Ahead(target.Object.UID), nil
}

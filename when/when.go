// Package when has the shipped anchors, for scenarios of package sparkchaos: the observed events at which faults are injected or undone.
// Their definitions in package anchor describe what each awaits, as does "sparkchaos schema".
package when

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Moment is an anchor with what is to be different about it. It is a value: each method returns another one.
type Moment struct{ scenario.Moment }

// Then is so long after the anchor.
func (m Moment) Then(delay time.Duration) Moment {
	m.Delay = scenario.Exactly(delay)
	return m
}

// ThenBetween is a time after the anchor that the seed chooses.
func (m Moment) ThenBetween(least, most time.Duration) Moment {
	m.Delay = scenario.Span{Min: scenario.Duration(least), Max: scenario.Duration(most)}
	return m
}

// Within bounds how long the anchor is awaited.
func (m Moment) Within(deadline time.Duration) Moment {
	m.Deadline = scenario.Duration(deadline)
	return m
}

// Of returns an anchor of the catalogue, or one of one's own, with its arguments.
func Of[A any](name string, args A) Moment {
	return Moment{scenario.Moment{Anchor: scenario.Choice{Name: name, Args: &args}}}
}

// DriverInitializing is when a driver's pod begins to fetch its artifacts.
func DriverInitializing() Moment { return Of("driverInitializing", anchor.None{}) }

// DriverRunning is when the newest driver's pod is running.
func DriverRunning() Moment { return Of("driverRunning", anchor.None{}) }

// ExecutorsRegistered is when at least so many executors are registered with the driver.
func ExecutorsRegistered(atLeast int) Moment {
	return Of("executorsRegistered", anchor.ExecutorsRegisteredArgs{AtLeast: atLeast})
}

// ExecutorsRegisteredWith is ExecutorsRegistered with the driver's incarnation of that number, counted from 1, or a later one.
func ExecutorsRegisteredWith(incarnation, atLeast int) Moment {
	return Of("executorsRegistered", anchor.ExecutorsRegisteredArgs{AtLeast: atLeast, Incarnation: incarnation})
}

// AnyStageRunning is when a stage of the newest driver is running.
func AnyStageRunning() Moment { return Of("stageRunning", anchor.StageRunningArgs{}) }

// StageRunning is when a stage of the newest driver is running, by Spark's id.
func StageRunning(stage int64) Moment {
	return Of("stageRunning", anchor.StageRunningArgs{Stage: &stage})
}

// TasksCompleted is when at least so many tasks have succeeded.
func TasksCompleted(atLeast int) Moment {
	return Of("tasksCompleted", anchor.AtLeast{AtLeast: atLeast})
}

// BatchCompleted is when at least so many streaming batches have completed.
func BatchCompleted(atLeast int) Moment {
	return Of("batchCompleted", anchor.AtLeast{AtLeast: atLeast})
}

// DriverRescheduled is when a new driver's pod is running on another node than the one before.
func DriverRescheduled() Moment { return Of("driverRescheduled", anchor.None{}) }

// FaultLanded is when another fault of the scenario has landed.
func FaultLanded(fault string) Moment {
	return Of(scenario.AnchorFaultLanded, anchor.FaultArgs{Fault: fault})
}

// FaultRecovered is when another fault of the scenario was undone.
func FaultRecovered(fault string) Moment {
	return Of(scenario.AnchorFaultRecovered, anchor.FaultArgs{Fault: fault})
}

// ApplicationCompleted is when the application has completed.
func ApplicationCompleted() Moment { return Of("applicationCompleted", anchor.None{}) }

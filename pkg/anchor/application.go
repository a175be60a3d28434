package anchor

import (
	"encoding/json"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func applicationCompletedKind() kind {
	return kindOf("applicationCompleted", "The driver's Job is complete, or the bare driver Pod has succeeded.", toComplete, None{},
		func(None) string { return "the application has completed" },
		func(None, int64) Anchor { return &applicationCompleted{jobs: map[string]int64{}} })
}

// applicationCompleted takes Kubernetes' word: Spark tells its listeners of the end of failed applications too.
type applicationCompleted struct {
	drivers drivers
	jobs    map[string]int64 // complete ones, by UID
}

// Observe implements Anchor.
func (a *applicationCompleted) Observe(e history.Event) (bool, []int64) {
	a.drivers.observe(e)
	a.observeJob(e)
	if seq, ok := a.jobs[a.drivers.workload.DriverUID]; ok {
		return true, []int64{seq}
	}
	if a.drivers.workload.DriverKind != scenario.DriverPod {
		return false, nil
	}
	for _, p := range a.drivers.incarnations() {
		if p.Status.Phase == phaseDone {
			return true, []int64{p.done}
		}
	}
	return false, nil
}

func (a *applicationCompleted) observeJob(e history.Event) {
	if e.Source != history.Kubernetes || e.Object == nil || e.Object.Kind != kindJob {
		return
	}
	var job object
	if json.Unmarshal(e.Data, &job) != nil {
		return
	}
	for _, condition := range job.Status.Conditions {
		if _, known := a.jobs[job.Metadata.UID]; condition.Type == "Complete" && condition.Status == "True" && !known {
			a.jobs[job.Metadata.UID] = e.Seq
		}
	}
}

// Seen implements Anchor.
func (a *applicationCompleted) Seen() string { return a.drivers.String() }

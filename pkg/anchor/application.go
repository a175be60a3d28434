package anchor

import (
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func applicationCompletedKind() Kind {
	return kindOf("applicationCompleted", "The driver's Job or the operator's application is complete, or the bare driver Pod "+
		"has succeeded.", toComplete, None{},
		func(None) string { return "the application has completed" },
		func(None) Anchor { return applicationCompleted{} })
}

// applicationCompleted relies on Kubernetes: Spark reports the end of failed applications to its listeners, too.
type applicationCompleted struct{}

// Reached implements Anchor.
func (applicationCompleted) Reached(m *model.Model, _ int64) (bool, []int64) {
	if complete := m.Job().Complete; !complete.Never() {
		return true, []int64{complete.Seq}
	}
	if m.Workload.DriverKind != scenario.DriverPod {
		return false, nil
	}
	for _, driver := range drivers(m) {
		if driver.Pod.Succeeded {
			return true, []int64{driver.Pod.Finished.Seq}
		}
	}
	return false, nil
}

// Seen implements Anchor.
func (applicationCompleted) Seen(m *model.Model, _ int64) string { return tell(m) }

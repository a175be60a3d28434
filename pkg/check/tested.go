package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// untested returns why the run says nothing about the application: no fault hit it while it ran, or something that no fault explains cost
// it a driver.
func untested(m *model.Model, plan plan) []string {
	if plan.watched {
		return nil // what befalls the application is judged by each invariant
	}
	var why []string
	if len(plan.injects) == 0 && len(plan.expect) > 0 {
		why = append(why, "no fault was planned, so nothing was survived")
	}
	for _, fault := range m.Faults {
		if !slices.Contains(plan.injects, fault.Name) {
			why = append(why, fmt.Sprintf("fault %s is not in the plan", fault.Name))
		}
	}
	return slices.Concat(why, missedFaults(m, plan), m.Unexplained())
}

// missedFaults returns which faults of the plan landed and hit nothing of the application while it ran.
func missedFaults(m *model.Model, plan plan) []string {
	var why []string
	for _, name := range plan.injects {
		if fault := m.Fault(name); fault != nil && !fault.Landed.Never() {
			if missed := missedApplication(m, fault); missed != "" {
				why = append(why, fmt.Sprintf("fault %s landed, but %s", name, missed))
			}
		}
	}
	return why
}

// missedApplication returns why a fault that landed hit nothing of the application while it ran; empty if it did.
func missedApplication(m *model.Model, fault *model.Fault) string {
	if m.Launched.Never() || fault.Began.At.Before(m.Launched.At) {
		return "before the workload was launched"
	}
	if horizon := m.Horizon(); fault.Began.At.After(horizon.At) {
		return fmt.Sprintf("only after the end of what was observed of the application, at %s", wording.Duration(m.Offset(horizon)))
	}
	switch over := over(m); {
	case over.Never():
	case !fault.Began.At.Before(over.At):
		return fmt.Sprintf("only after the application had ended, at %s", wording.Duration(m.Offset(over)))
	case !fault.Began.At.Before(over.Earliest()):
		return fmt.Sprintf("perhaps only after the application had ended, between %s and %s",
			wording.Duration(over.Earliest().Sub(m.Started.At)), wording.Duration(m.Offset(over)))
	}
	if fault.Leaves {
		return "" // it is not meant to hit what runs
	}
	if len(fault.Targets) == 0 {
		return "it does not say on what"
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
		if pod := m.Pods[uid]; m.Belongs(pod) && fault.Hits(pod.UID, pod.Node) && livedAt(pod, fault.Began.At) {
			return ""
		}
	}
	return "hit nothing of the application: no driver, executor or component of it was alive on " + target(fault)
}

// over returns when the application had ended; Never if it had not.
func over(m *model.Model) model.Moment {
	well, badly, _ := completed(m)
	switch {
	case well.Never():
		return badly
	case badly.Never() || well.Before(badly):
		return well
	default:
		return badly
	}
}

// livedAt reports whether a pod was on a node when a fault began and had certainly not ended.
func livedAt(p *model.Pod, began time.Time) bool {
	gone := p.Gone()
	return !p.Placed.Never() && !p.Placed.At.After(began) && (gone.Never() || !gone.At.Before(began) && !gone.MayPrecede(began))
}

// target names what a fault was aimed at.
func target(f *model.Fault) string {
	var names []string
	for _, target := range f.Targets {
		names = append(names, target.Kind+" "+cmp.Or(target.Name, target.UID))
	}
	return wording.Some(names)
}

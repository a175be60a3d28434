package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// untested returns why the run says nothing about the application: no fault hit it while it ran, or something that no fault explains cost it a
// driver.
func (m *Model) untested(plan plan) []string {
	var why []string
	if len(plan.injects) == 0 && len(plan.expect) > 0 {
		why = append(why, "no fault was planned, so nothing was survived")
	}
	for _, fault := range m.Faults {
		if !slices.Contains(plan.injects, fault.Name) {
			why = append(why, fmt.Sprintf("fault %s is not in the plan", fault.Name))
		}
	}
	for _, name := range plan.injects {
		if fault := m.fault(name); fault != nil && !fault.Landed.Never() {
			if missed := m.missedApplication(fault); missed != "" {
				why = append(why, fmt.Sprintf("fault %s landed, but %s", name, missed))
			}
		}
	}
	return append(why, m.unexplained()...)
}

// missedApplication returns why a fault that landed hit nothing of the application while it ran; empty if it did.
func (m *Model) missedApplication(fault *Fault) string {
	if m.Launched.Never() || fault.Began.At.Before(m.Launched.At) {
		return "before the workload was launched"
	}
	if over := m.over(); !over.Never() && !fault.Began.At.Before(over.At) {
		return fmt.Sprintf("only after the application had ended, at %s", wording.Duration(m.offset(over)))
	}
	if fault.Leaves {
		return "" // it is not meant to hit what runs
	}
	if len(fault.Targets) == 0 {
		return "it does not say on what"
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
		if pod := m.Pods[uid]; m.belongs(pod) && fault.hits(pod.UID, pod.Node) && pod.livedAt(fault.Began.At) {
			return ""
		}
	}
	return "hit nothing of the application: no driver, executor or component of it was alive on " + fault.target()
}

// over returns when the application had ended; Never if it had not.
func (m *Model) over() Moment {
	well, badly, _ := m.completed()
	switch {
	case well.Never():
		return badly
	case badly.Never() || well.before(badly):
		return well
	default:
		return badly
	}
}

// livedAt reports whether a pod was on a node at a time and had not ended.
func (p *Pod) livedAt(at time.Time) bool {
	gone := p.Gone()
	return !p.Placed.Never() && !p.Placed.At.After(at) && (gone.Never() || gone.At.After(at))
}

// target names what a fault was aimed at.
func (f *Fault) target() string {
	var names []string
	for _, target := range f.Targets {
		names = append(names, target.Kind+" "+cmp.Or(target.Name, target.UID))
	}
	return wording.Some(names)
}

package anchor

import (
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func driverRunningKind() kind {
	return kindOf("driverRunning", "The newest incarnation's driver pod is Running and not being deleted.", toStart, None{},
		func(None) string { return "the driver is running" },
		func(_ None, since int64) Anchor { return &driverRunning{since: since} })
}

type driverRunning struct {
	drivers drivers
	since   int64
}

// Observe implements Anchor.
func (a *driverRunning) Observe(e history.Event) (bool, []int64) {
	a.drivers.observe(e)
	live := a.drivers.live()
	if live == nil {
		return false, nil
	}
	return newer(a.since, live.running)
}

// Seen implements Anchor.
func (a *driverRunning) Seen() string { return a.drivers.String() }

func driverRescheduledKind() kind {
	return kindOf("driverRescheduled", "A new incarnation's driver pod is Running on another node than the incarnation before; Pending does not count.", toNotice, None{},
		func(None) string { return "the driver is running again on another node" },
		func(_ None, since int64) Anchor { return &driverRescheduled{since: since} })
}

type driverRescheduled struct {
	drivers drivers
	since   int64
}

// Observe implements Anchor.
func (a *driverRescheduled) Observe(e history.Event) (bool, []int64) {
	a.drivers.observe(e)
	var previous *pod
	for _, p := range a.drivers.incarnations() {
		if p.placed == 0 {
			continue
		}
		if previous != nil && p.running > a.since && p.Spec.NodeName != previous.Spec.NodeName {
			return true, []int64{previous.placed, p.running}
		}
		previous = p
	}
	return false, nil
}

// Seen implements Anchor.
func (a *driverRescheduled) Seen() string { return a.drivers.String() }

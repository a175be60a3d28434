package anchor

import "github.com/sparkchaos/sparkchaos/pkg/model"

func driverRunningKind() Kind {
	return kindOf("driverRunning", "The driver pod of the newest incarnation is Running and not being deleted.", toStart, None{},
		func(None) string { return "the driver is running" },
		func(None) Anchor { return driverRunning{} })
}

type driverRunning struct{}

// Reached implements Anchor.
func (driverRunning) Reached(m *model.Model, since int64) (bool, []int64) {
	live := drivers(m).Live()
	if live == nil {
		return false, nil
	}
	return newer(since, live.Pod.Running.Seq)
}

// Seen implements Anchor.
func (driverRunning) Seen(m *model.Model, _ int64) string { return tell(m) }

func driverRescheduledKind() Kind {
	return kindOf("driverRescheduled", "The driver pod of a new incarnation is Running on another node than that of the last one; Pending "+
		"does not count.", toNotice, None{},
		func(None) string { return "the driver is running again on another node" },
		func(None) Anchor { return driverRescheduled{} })
}

type driverRescheduled struct{}

// Reached implements Anchor.
func (driverRescheduled) Reached(m *model.Model, since int64) (bool, []int64) {
	var previous *model.Pod
	for _, driver := range drivers(m) {
		p := driver.Pod
		if p.Placed.Never() {
			continue
		}
		if previous != nil && ran(p) > since && p.Node != previous.Node {
			return true, []int64{previous.Placed.Seq, ran(p)}
		}
		previous = p
	}
	return false, nil
}

// Seen implements Anchor.
func (driverRescheduled) Seen(m *model.Model, _ int64) string { return tell(m) }

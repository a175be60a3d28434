package check

import "github.com/sparkchaos/sparkchaos/internal/wording"

func driverKept() Definition {
	return Definition{
		Name: "driverKept",
		Doc: "A fault that was not aimed at the driver does not cost it: the first incarnation of the driver is the only one, and it was never deleted, evicted or failed " +
			"before the application had ended.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return checkerFunc(checkDriverKept) },
	}
}

func checkDriverKept(m *Model) Result {
	f := m.finding()
	f.Bound = "1 incarnation"
	incarnations := m.Incarnations()
	f.Measured = wording.Count(len(incarnations), "incarnation")
	if !f.assume(len(incarnations) > 0, "a driver was made") {
		return f.inconclusive("no driver was seen, so none could be kept")
	}
	first := incarnations[0]
	if first.Pod == nil {
		f.assume(false, "the driver's pod was seen")
		return f.inconclusive("the pod of the first driver was never seen")
	}
	for _, fault := range m.landed() {
		if aimed := fault.hits(first.UID, first.Node); !f.assume(!aimed, "fault %s did not hit the driver", fault.Name) {
			f.cite(fault.Began, "fault %s hits %s on %s", fault.Name, first, first.Node)
			return f.inconclusive("fault %s hit the driver, so it could not be kept from it", fault.Name)
		}
		f.cite(fault.Began, "fault %s hits %s", fault.Name, fault.target())
	}
	if !f.assume(len(m.landed()) > 0, "a fault landed") {
		return f.inconclusive("no fault landed, so nothing could cost the driver")
	}
	if len(incarnations) > 1 {
		next := incarnations[1]
		if next.Pod != nil {
			f.cite(next.Pod.Added, "%s is made", next)
		} else {
			f.cite(next.Driver.Alive.first(), "%s gives its first sign of life", next)
		}
		return f.proven("%s was replaced by %s, though no fault hit it", first, next)
	}
	_, badly, reason := m.completed()
	if !badly.Never() {
		f.cite(badly, "the application fails: %s", reason)
		return f.proven("%s failed, though no fault hit it: %s", first, reason)
	}
	f.assume(m.seen("Pod"), "no change of a pod was missed")
	well, _, _ := m.completed()
	if lost := first.Pod.Terminating; !lost.Never() && (well.Never() || lost.before(well)) && !first.Pod.Succeeded {
		f.cite(lost, "pod %s is marked for deletion", first.Name)
		return f.violated("%s was deleted before the application had ended, though no fault hit it", first)
	}
	f.assume(!well.Never(), "the application ended well")
	f.cite(first.Pod.Added, "%s is made", first)
	f.cite(well, "the application ended well")
	return f.held("the driver was kept: %s is the only one", first)
}

package check

import (
	"github.com/sparkchaos/sparkchaos/internal/wording"

	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func driverKept() Definition {
	return Definition{
		Name: "driverKept",
		Doc: "A fault that did not target the driver does not affect it: the first incarnation of the driver is the only one, and it was not " +
			"deleted, evicted or failed before the application ended, or for as long as it is watched.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkDriverKept) },
	}
}

func checkDriverKept(m *model.Model) Result {
	f := NewFinding(m)
	f.Bound = "1 incarnation"
	incarnations := m.Incarnations()
	f.Measured = wording.Count(len(incarnations), "incarnation")
	if !f.Assume(len(incarnations) > 0, "a driver was made") {
		return f.Inconclusive("no driver was seen, so none could be kept")
	}
	first := incarnations[0]
	if first.Pod == nil {
		f.Assume(false, "the driver's pod was seen")
		return f.Inconclusive("the pod of the first driver was never seen")
	}
	for _, fault := range m.Landed() {
		if aimed := fault.Hits(first.UID, first.Node); !f.Assume(!aimed, "fault %s did not hit the driver", fault.Name) {
			f.Cite(fault.Began, "fault %s hits %s on %s", fault.Name, first, first.Node)
			return f.Inconclusive("fault %s hit the driver, so it could not be kept from it", fault.Name)
		}
		f.Cite(fault.Began, "fault %s hits %s", fault.Name, target(fault))
	}
	if !watched(m) && !f.Assume(len(m.Landed()) > 0, "a fault landed") {
		return f.Inconclusive("no fault landed, so nothing could cost the driver")
	}
	if len(incarnations) > 1 {
		next := incarnations[1]
		if next.Pod != nil {
			f.Cite(next.Pod.Added, "%s is made", next)
		} else {
			f.Cite(next.Driver.Alive.First(), "%s gives its first sign of life", next)
		}
		return f.Violated("%s was replaced by %s, though no fault hit it", first, next)
	}
	_, badly, reason := completed(m)
	if !badly.Never() {
		f.Cite(badly, "the application fails: %s", reason)
		return f.Violated("%s failed, though no fault hit it: %s", first, reason)
	}
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	well, _, _ := completed(m)
	if lost := first.Pod.Terminating; !lost.Never() && (well.Never() || lost.Before(well)) && !first.Pod.Succeeded {
		f.Cite(lost, "pod %s is marked for deletion", first.Name)
		return f.Violated("%s was deleted before the application had ended, though no fault hit it", first)
	}
	f.Cite(first.Pod.Added, "%s is made", first)
	if watched(m) && well.Never() {
		return f.Held("the driver was kept while the application was watched: %s is the only one", first)
	}
	f.Assume(!well.Never(), "the application ended well")
	f.Cite(well, "the application ended well")
	return f.Held("the driver was kept: %s is the only one", first)
}

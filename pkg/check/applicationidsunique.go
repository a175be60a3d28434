package check

import (
	"maps"
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

func applicationIdsUnique() Definition {
	return Definition{
		Name: "applicationIdsUnique",
		Doc: "No two incarnations of the driver have the same Spark application ID (label spark-app-selector). Drivers with the same ID " +
			"count, and delete, each other's executors.",
		Args: func() any { return &NoArgs{} },
		New:  func(any) Checker { return CheckerFunc(checkApplicationIDs) },
	}
}

func checkApplicationIDs(m *model.Model) Result {
	f := NewFinding(m)
	owners := map[string]*model.Incarnation{}
	tells := map[string]model.Moment{}
	known := 0
	incarnations := m.Incarnations()
	for _, incarnation := range incarnations {
		ids := applicationIDs(m, incarnation)
		if len(ids) > 0 {
			known++
		}
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			other := owners[id]
			if other == nil {
				owners[id], tells[id] = incarnation, ids[id]
				continue
			}
			f.Measured = "1 id for 2 incarnations"
			f.Cite(tells[id], "%s has the application id %s", other, id)
			f.Cite(ids[id], "%s has the application id %s too", incarnation, id)
			return f.Proven("%s and %s have the same application id %s", other, incarnation, id)
		}
	}
	f.Measured = wording.Count(len(owners), "id") + " for " + wording.Count(known, "incarnation")
	f.Assume(m.SawAll("Pod"), "no change of a pod was missed")
	// Without a fault that hit the driver one incarnation is all there can be, and nothing to be sorry for.
	need := 1
	if m.Succession(incarnations) {
		need = 2
	}
	if !f.Assume(known >= need, "the application ids of at least %d incarnations are known", need) {
		return f.Inconclusive("the application id of %d of %d incarnations is known, too few to compare", known, len(incarnations))
	}
	f.Assume(known >= len(running(incarnations)), "the application id of every incarnation that ran is known")
	if hidden := unreported(incarnations); len(hidden) > 0 {
		f.AssumeDisks(m.NodesOf(hidden), "that a driver may have run on")
	}
	for _, id := range slices.SortedFunc(maps.Keys(owners), func(a, b string) int { return owners[a].Number - owners[b].Number }) {
		f.Cite(tells[id], "%s has the application id %s", owners[id], id)
	}
	return f.Held("%s of the driver: %s, all different", wording.Count(known, "incarnation"), wording.Count(len(owners), "application id"))
}

// unreported returns the incarnations of which nothing shows that they ran: a fault may have hidden it.
func unreported(incarnations model.Incarnations) model.Incarnations {
	ran := running(incarnations)
	return slices.DeleteFunc(slices.Clone(incarnations), func(i *model.Incarnation) bool { return slices.Contains(ran, i) })
}

// applicationIDs returns the ids of an incarnation and what tells each: its own records, else the label of its executors.
func applicationIDs(m *model.Model, incarnation *model.Incarnation) map[string]model.Moment {
	ids := map[string]model.Moment{}
	for _, pod := range m.Executors(incarnation) {
		if _, known := ids[pod.Application]; !known && pod.Application != "" {
			ids[pod.Application] = pod.Added
		}
	}
	if incarnation.Driver != nil {
		for id, at := range incarnation.Driver.Applications {
			if _, known := ids[id]; !known {
				ids[id] = at
			}
		}
	}
	return ids
}

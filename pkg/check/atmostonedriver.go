package check

import (
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// OverlapArgs are the arguments of atMostOneDriver.
type OverlapArgs struct {
	// Overlap is how long two incarnations may be alive at the same time at most, in all.
	Overlap scenario.Duration `json:"overlap"`
}

func atMostOneDriver() Definition {
	return Definition{
		Name: "atMostOneDriver",
		Doc: "No two incarnations of the driver are alive at the same time for longer than overlap, measured by their own heartbeats, " +
			"including those on the disks of lost nodes.",
		Args: func() any { return &OverlapArgs{} },
		New: func(args any) Checker {
			bound := time.Duration(args.(*OverlapArgs).Overlap)
			return CheckerFunc(func(m *model.Model) Result { return checkOverlap(m, bound) })
		},
	}
}

func checkOverlap(m *model.Model, bound time.Duration) Result {
	incarnations := m.Incarnations()
	f := NewFinding(m)
	f.Bound = wording.Duration(bound)
	ran := running(incarnations)
	if !f.Assume(len(ran) > 0, "a driver ran") {
		return f.Inconclusive("no driver ran")
	}
	f.AssumeWitnessed(incarnations)
	if strangers := podless(ran); len(strangers) > 0 {
		f.Assume(false, "every driver that reported is a pod of the application that was seen%s", wording.Except(strangers))
	}
	least, pairs := allOverlaps(m, ran, false)
	most, mostPairs := allOverlaps(m, ran, true)
	total := model.Covered(least)
	f.Measured = wording.Duration(model.Covered(most))
	if total > bound {
		f.Measured = wording.Duration(total)
		longest := longestOf(least)
		f.citeOverlap(least[longest], pairs[longest])
		a, b := pairs[longest][0], pairs[longest][1]
		return f.Proven("%s and %s were alive at the same time for %s in all, more than %s", a, b, wording.Duration(total),
			wording.Duration(bound))
	}
	if model.Covered(most) > bound {
		longest := longestOf(most)
		f.citeOverlap(most[longest], mostPairs[longest])
		return f.Inconclusive("%s and %s were alive at the same time for %s to %s in all, %s is allowed: their clocks are not known well "+
			"enough, or one had not reported yet",
			mostPairs[longest][0], mostPairs[longest][1], wording.Duration(total), wording.Duration(model.Covered(most)), wording.Duration(bound))
	}
	struck := m.Succession(incarnations)
	if !f.Assume(len(ran) > 1 || !struck, "a driver that a fault cost had a successor") {
		return f.Inconclusive("only one incarnation ever ran, so there was nothing that could overlap")
	}
	for _, incarnation := range ran {
		if incarnation.Driver != nil {
			f.Cite(incarnation.Driver.Alive.First(), "%s gives its first sign of life on %s", incarnation, incarnation.Node)
			f.Cite(incarnation.Driver.Alive.Last(), "%s gives its last sign of life", incarnation)
		}
	}
	return f.Held("the incarnations of the driver were alive together for %s, at most %s is allowed", wording.Duration(model.Covered(most)),
		wording.Duration(bound))
}

func longestOf(all []model.Overlap) int {
	longest := 0
	for i := range all {
		if all[i].Length() > all[longest].Length() {
			longest = i
		}
	}
	return longest
}

// running returns the incarnations that ran.
func running(incarnations model.Incarnations) model.Incarnations {
	var ran model.Incarnations
	for _, incarnation := range incarnations {
		if incarnation.Driver != nil || !incarnation.Pod.Running.Never() {
			ran = append(ran, incarnation)
		}
	}
	return ran
}

// podless returns the incarnations that only the witness knows of: they may be drivers of another application that report to it.
func podless(ran model.Incarnations) []string {
	var names []string
	for _, incarnation := range ran {
		if incarnation.Pod == nil {
			names = append(names, incarnation.Name)
		}
	}
	return names
}

// AssumeWitnessed states what comparing the drivers' own times needs.
func (f *Finding) AssumeWitnessed(incarnations model.Incarnations) {
	f.AssumeDrivers(incarnations)
	var restarted []string
	for _, incarnation := range running(incarnations) {
		if incarnation.Driver != nil && incarnation.Driver.Restarted() {
			restarted = append(restarted, incarnation.Name)
		}
	}
	f.Assume(len(restarted) == 0, "each driver pod had one life, as pods are never restarted in place%s", wording.Except(restarted))
	f.AssumeDisks(f.model.NodesOf(incarnations), "that a driver ran on or may have run on")
	f.Assume(f.model.SawAll("Pod"), "no change of a pod was missed")
}

// allOverlaps returns the times in which two drivers were alive, and which: for certain although their clocks are not known exactly, or
// those that are possible.
func allOverlaps(m *model.Model, ran model.Incarnations, possible bool) ([]model.Overlap, [][2]*model.Incarnation) {
	var all []model.Overlap
	var pairs [][2]*model.Incarnation
	for i, a := range ran {
		for _, b := range ran[i+1:] {
			if a.Driver == nil || b.Driver == nil || !possible && !comparable(m, a, b) {
				continue
			}
			slack := m.Slack(a.Driver) + m.Slack(b.Driver)
			first, second := m.SureLife(a.Driver), m.SureLife(b.Driver).Shift(-slack)
			if possible {
				first, second = m.PossibleLife(a), m.PossibleLife(b).Shift(slack)
			}
			for _, o := range model.Overlaps(first, second) {
				all, pairs = append(all, o), append(pairs, [2]*model.Incarnation{a, b})
			}
		}
	}
	return all, pairs
}

// comparable reports whether two lives prove anything beside each other: both are drivers of this application, and their clocks can be
// compared.
func comparable(m *model.Model, a, b *model.Incarnation) bool {
	return a.Pod != nil && b.Pod != nil && (a.Node == b.Node || m.ClockKnown(a.Driver) && m.ClockKnown(b.Driver))
}

// citeOverlap cites the record that began the overlap and the one that ended it; if both are of one process, those of
// the other one between which they lie, too.
func (f *Finding) citeOverlap(o model.Overlap, pair [2]*model.Incarnation) {
	begins, ends := 0, 0
	if o.Both[1].From.At.After(o.Both[0].From.At) {
		begins = 1
	}
	if o.Both[1].To.At.Before(o.Both[0].To.At) {
		ends = 1
	}
	f.Cite(o.Both[begins].From, "%s is alive on %s", pair[begins], pair[begins].Node)
	f.Cite(o.Both[ends].To, "%s was alive until now, on %s", pair[ends], pair[ends].Node)
	if begins == ends {
		outer := 1 - begins
		f.Cite(o.Both[outer].From, "%s is alive on %s", pair[outer], pair[outer].Node)
		f.Cite(o.Both[outer].To, "%s was alive until now, on %s", pair[outer], pair[outer].Node)
	}
}

package check

import (
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
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
		Doc:  "Never are two incarnations of the driver alive at the same time for longer than overlap, by their own heartbeats, those on the disks of lost nodes included.",
		Args: func() any { return &OverlapArgs{} },
		New: func(args any) Checker {
			bound := time.Duration(args.(*OverlapArgs).Overlap)
			return checkerFunc(func(m *Model) Result { return checkOverlap(m, bound) })
		},
	}
}

func checkOverlap(m *Model, bound time.Duration) Result {
	incarnations := m.Incarnations()
	f := m.finding()
	f.Bound = wording.Duration(bound)
	ran := running(incarnations)
	if !f.assume(len(ran) > 0, "a driver ran") {
		return f.inconclusive("no driver ran")
	}
	f.assumeWitnessed(incarnations)
	least, pairs := m.allOverlaps(ran, false)
	most, mostPairs := m.allOverlaps(ran, true)
	total := covered(least)
	f.Measured = wording.Duration(covered(most))
	if total > bound {
		f.Measured = wording.Duration(total)
		longest := longestOf(least)
		f.citeOverlap(least[longest], pairs[longest])
		a, b := pairs[longest][0], pairs[longest][1]
		return f.proven("%s and %s were alive at the same time for %s in all, more than %s", a, b, wording.Duration(total), wording.Duration(bound))
	}
	if covered(most) > bound {
		longest := longestOf(most)
		f.citeOverlap(most[longest], mostPairs[longest])
		return f.inconclusive("%s and %s were alive at the same time for %s to %s in all, %s is allowed: their clocks are not known well enough, or one had not reported yet",
			mostPairs[longest][0], mostPairs[longest][1], wording.Duration(total), wording.Duration(covered(most)), wording.Duration(bound))
	}
	struck := m.succession(incarnations)
	if !f.assume(len(ran) > 1 || !struck, "a driver that a fault cost had a successor") {
		return f.inconclusive("only one incarnation ever ran, so there was nothing that could overlap")
	}
	for _, incarnation := range ran {
		if incarnation.Driver != nil {
			f.cite(incarnation.Driver.Alive.first(), "%s gives its first sign of life on %s", incarnation, incarnation.Node)
			f.cite(incarnation.Driver.Alive.last(), "%s gives its last sign of life", incarnation)
		}
	}
	return f.held("the incarnations of the driver were alive together for %s, at most %s is allowed", wording.Duration(covered(most)), wording.Duration(bound))
}

func longestOf(all []overlap) int {
	longest := 0
	for i := range all {
		if all[i].length() > all[longest].length() {
			longest = i
		}
	}
	return longest
}

// running returns the incarnations that ran.
func running(incarnations []*Incarnation) []*Incarnation {
	var ran []*Incarnation
	for _, incarnation := range incarnations {
		if incarnation.Driver != nil || !incarnation.Pod.Running.Never() {
			ran = append(ran, incarnation)
		}
	}
	return ran
}

// assumeWitnessed states what comparing the drivers' own times needs.
func (f *finding) assumeWitnessed(incarnations []*Incarnation) {
	f.assumeDrivers(incarnations)
	var restarted []string
	for _, incarnation := range running(incarnations) {
		if incarnation.Driver != nil && incarnation.Driver.restarted() {
			restarted = append(restarted, incarnation.Name)
		}
	}
	f.assume(len(restarted) == 0, "each driver pod had one life, as pods are never restarted in place%s", wording.Except(restarted))
	f.assumeDisks(f.model.nodesOf(incarnations), "that a driver ran on or may have run on")
	f.assume(f.model.seen("Pod"), "no change of a pod was missed")
}

// allOverlaps returns the times in which two drivers were alive, and which: for certain although their clocks are not known exactly, or those that
// are possible.
func (m *Model) allOverlaps(ran []*Incarnation, possible bool) ([]overlap, [][2]*Incarnation) {
	var all []overlap
	var pairs [][2]*Incarnation
	for i, a := range ran {
		for _, b := range ran[i+1:] {
			if a.Driver == nil || b.Driver == nil {
				continue
			}
			slack := m.slack(a.Driver) + m.slack(b.Driver)
			first, second := m.life(a.Driver), m.life(b.Driver).shift(-slack)
			if possible {
				first, second = m.possibleLife(a), m.possibleLife(b).shift(slack)
			}
			for _, o := range overlaps(first, second) {
				all, pairs = append(all, o), append(pairs, [2]*Incarnation{a, b})
			}
		}
	}
	return all, pairs
}

// citeOverlap cites the record that began the overlap and the one that ended it; if both are of one process, those of
// the other one between which they lie, too.
func (f *finding) citeOverlap(o overlap, pair [2]*Incarnation) {
	begins, ends := 0, 0
	if o.both[1].from.At.After(o.both[0].from.At) {
		begins = 1
	}
	if o.both[1].to.At.Before(o.both[0].to.At) {
		ends = 1
	}
	f.cite(o.both[begins].from, "%s is alive on %s", pair[begins], pair[begins].Node)
	f.cite(o.both[ends].to, "%s was alive until now, on %s", pair[ends], pair[ends].Node)
	if begins == ends {
		outer := 1 - begins
		f.cite(o.both[outer].from, "%s is alive on %s", pair[outer], pair[outer].Node)
		f.cite(o.both[outer].to, "%s was alive until now, on %s", pair[outer], pair[outer].Node)
	}
}

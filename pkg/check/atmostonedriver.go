package check

import (
	"fmt"
	"strings"
	"time"

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

// clockTolerance is how far the clocks of two nodes may seem apart before their times are not compared any more. The
// delay of a record bounds the difference from above; where nodes have clocks of their own these were asked, too.
const clockTolerance = time.Second

func checkOverlap(m *Model, bound time.Duration) Result {
	incarnations := m.Incarnations()
	f := m.finding()
	f.Bound = tell(bound)
	ran := running(incarnations)
	if !f.assume(len(ran) > 0, "a driver ran") {
		return f.inconclusive("no driver ran")
	}
	skew := f.assumeWitnessed(ran)
	all, pairs := allOverlaps(ran)
	total := covered(all)
	f.Measured = tell(total)
	if total-skew > bound {
		longest := 0
		for i := range all {
			if all[i].length() > all[longest].length() {
				longest = i
			}
		}
		f.citeOverlap(all[longest], pairs[longest])
		a, b := pairs[longest][0], pairs[longest][1]
		return f.violated("%s and %s were alive at the same time for %s in all, more than %s", a, b, tell(total), tell(bound))
	}
	struck := m.succession(incarnations)
	if !f.assume(len(ran) > 1 || !struck, "a driver that was struck had a successor") {
		return f.inconclusive("only one incarnation ever ran, so there was nothing that could overlap")
	}
	for _, incarnation := range ran {
		if incarnation.Driver != nil {
			f.cite(incarnation.Driver.Alive.first(), "%s gives its first sign of life on %s", incarnation, incarnation.Node)
			f.cite(incarnation.Driver.Alive.last(), "%s gives its last sign of life", incarnation)
		}
	}
	return f.held("the incarnations of the driver were alive together for %s, at most %s is allowed", tell(total), tell(bound))
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

// assumeWitnessed states what comparing the drivers' own times needs, and returns by how much clocks may be wrong.
func (f *finding) assumeWitnessed(ran []*Incarnation) time.Duration {
	var silent, wrong, untimed []string
	var skew time.Duration
	for _, incarnation := range ran {
		p := incarnation.Driver
		switch {
		case p == nil:
			silent = append(silent, incarnation.Name)
		case p.Untimed > 0:
			untimed = append(untimed, incarnation.Name)
		case p.Live && p.Delay.Abs() > clockTolerance:
			wrong = append(wrong, fmt.Sprintf("%s by %s", incarnation.Name, tell(p.Delay.Abs())))
			skew = max(skew, p.Delay.Abs())
		}
	}
	f.assume(len(silent) == 0, "every driver that ran reported to the witness%s", except(silent))
	off, unknown, apart := f.model.clocksOff(ran)
	wrong, skew = append(wrong, off...), max(skew, apart)
	if f.model.Clocks != nil {
		f.assume(len(unknown) == 0, "the clock of each node that a driver ran on was asked%s", except(unknown))
	}
	f.assume(len(wrong) == 0, "the clocks of the drivers agree with the harness's within %s%s", clockTolerance, except(wrong))
	if len(untimed) > 0 {
		f.assume(false, "no driver whose clock a fault put wrong left records whose arrival nobody saw%s", except(untimed))
	}
	missing := f.model.diskMissing(nodesOf(ran))
	f.assume(len(missing) == 0, "the witness's files were read in full from the disk of each node that a driver ran on%s", except(missing))
	if !f.model.seen("Pod") {
		f.assume(false, "no change of a pod was missed")
	}
	return skew
}

// clocksOff returns the nodes that drivers ran on whose clocks may be further from the harness's than is tolerated, by how much at
// most, and those whose clocks are not known though others' are.
func (m *Model) clocksOff(ran []*Incarnation) (off, unknown []string, most time.Duration) {
	if m.Clocks == nil {
		return nil, nil, 0
	}
	for _, node := range nodesOf(ran) {
		clock, known := m.Clocks[node]
		apart := clock.Offset.Abs() + clock.Uncertainty
		switch {
		case !known:
			unknown = append(unknown, node)
		case apart > clockTolerance:
			off = append(off, fmt.Sprintf("that of node %s by up to %s", node, tell(apart)))
			most = max(most, apart)
		}
	}
	return off, unknown, most
}

// except adds to an assumption what refutes it.
func except(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (not " + strings.Join(names, ", ") + ")"
}

func allOverlaps(ran []*Incarnation) ([]overlap, [][2]*Incarnation) {
	var all []overlap
	var pairs [][2]*Incarnation
	for i, a := range ran {
		for _, b := range ran[i+1:] {
			if a.Driver == nil || b.Driver == nil {
				continue
			}
			for _, o := range overlaps(a.Driver.Alive, b.Driver.Alive) {
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

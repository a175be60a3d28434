package tell

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// Recovery is the recovery from one fault, whose phases add up.
type Recovery struct {
	Fault  string
	Phases []Phase
	Total  time.Duration
}

// Phase is a phase of a recovery with its place in it.
type Phase struct {
	check.Phase
	Start time.Duration // after the fault began to act
	Adds  time.Duration // by how much it makes the recovery longer; less than it took if it runs beside another one
}

// Recoveries returns the recoveries that a verdict contains, in its order.
func Recoveries(verdict check.RunVerdict) []Recovery {
	var all []Recovery
	for _, result := range verdict.Results {
		for _, phase := range result.Phases {
			if len(all) == 0 || all[len(all)-1].Fault != phase.Fault {
				all = append(all, Recovery{Fault: phase.Fault})
			}
			all[len(all)-1].add(phase)
		}
	}
	return all
}

// Longest returns how long the longest of some recoveries took; 0 if there is none.
func Longest(recoveries []Recovery) time.Duration {
	var longest time.Duration
	for _, r := range recoveries {
		longest = max(longest, r.Total)
	}
	return longest
}

// add appends a phase. It begins where the one that ended with its first event did, else with the fault.
func (r *Recovery) add(phase check.Phase) {
	added := Phase{Phase: phase}
	for _, before := range r.Phases {
		if before.To == phase.From {
			added.Start = before.Start + before.Duration
		}
	}
	if end := added.Start + phase.Duration; end > r.Total {
		added.Adds = end - r.Total
		r.Total = end
	}
	r.Phases = append(r.Phases, added)
}

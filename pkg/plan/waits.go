package plan

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const (
	// aftermath is how long the rest of dead incarnations is watched at most, unless an invariant needs longer.
	aftermath = 45 * time.Second
	// beyond is how much longer than a bound is waited: what has not happened when the wait ends was then sure to be late.
	beyond = 10 * time.Second
)

// Waits define how long a run continues at most so that its expectations can be judged. A run whose application has ended
// does not wait.
type Waits struct {
	Settle    time.Duration // after the last fault, as the scenario asks
	Launch    Wait          // after the launch; zero: no invariant counts from there
	Fault     Wait          // after the last fault; zero: no invariant counts from there
	Aftermath Wait          // after everything has recovered, as long as drivers or executors live
}

// Wait is a time and the invariant that needs it.
type Wait struct {
	Time      time.Duration
	Invariant string // empty: it is always waited for
}

// Waits returns how long the run continues. Invariants that are not in the catalogue need no time.
func (p *Plan) Waits(catalogue scenario.Catalogue) Waits {
	w := Waits{Settle: time.Duration(p.Settle), Aftermath: Wait{Time: aftermath}}
	for _, expectation := range p.Expect {
		entry, known := scenario.Find(catalogue.Invariants, expectation.Name)
		if !known || entry.Bound == nil {
			continue
		}
		bound := entry.Bound(expectation.Args)
		if bound.Within <= 0 {
			continue
		}
		wait := Wait{Time: bound.Within + beyond, Invariant: expectation.Name}
		switch bound.Since {
		case scenario.SinceLaunch:
			w.Launch = longer(w.Launch, wait)
		case scenario.SinceFault:
			w.Fault = longer(w.Fault, wait)
		case scenario.SinceDriverEnd:
			w.Aftermath = longer(w.Aftermath, wait)
		}
	}
	return w
}

func longer(a, b Wait) Wait {
	if b.Time > a.Time {
		return b
	}
	return a
}

// UntilSettled returns how long the application may take from now on, when the last fault is over and the workload was
// launched that long ago.
func (w Waits) UntilSettled(launched time.Duration) time.Duration {
	return max(w.Settle, w.Launch.Time-launched, w.Fault.Time)
}

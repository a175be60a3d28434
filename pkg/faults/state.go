package faults

import (
	"fmt"
	"slices"
)

// State is where a disturbance stands.
//
//	planned ───▶ journaled ───▶ injecting ───▶ landed ──────┐
//	   │ │           │              │                       ▼
//	   │ └───────────┴──────────────┴──▶ didNotLand ──▶ recovering ──▶ recovered
//	   │                                     │            ▲   │           │
//	   │                                     │            │   ▼           │
//	   │                                     │        notRecovered        │
//	   ▼                                     ▼                            │
//	cleanedUp ◀───────────────────────────────────────────────────────────┘
//
// A disturbance that did not land may have acted in part, so it is recovered like one that landed; it goes straight to
// cleanedUp only if it never had an undo record. A recovery that failed may be tried again.
type State string

// The states. All but planned and cleanedUp are event types of the history too.
const (
	Planned      State = "planned"      // nothing was done yet
	Journaled    State = "journaled"    // the undo record is on disk, nothing was done to the target
	Injecting    State = "injecting"    // the fault acts; whether it has taken effect is not known
	Landed       State = "landed"       // it has taken effect, proven from outside
	DidNotLand   State = "didNotLand"   // the proof failed; the target may be disturbed in part
	Recovering   State = "recovering"   // it is being undone
	Recovered    State = "recovered"    // it was undone, proven from outside; the undo record is closed
	NotRecovered State = "notRecovered" // the undoing failed; the undo record is still open
	CleanedUp    State = "cleanedUp"    // the end: nothing of it is left
)

// States returns all states in the order of a life.
func States() []State {
	return []State{Planned, Journaled, Injecting, Landed, DidNotLand, Recovering, Recovered, NotRecovered, CleanedUp}
}

// Active reports whether a target may be disturbed in this state, so that leaving it so would be a leak.
func (s State) Active() bool {
	switch s {
	case Injecting, Landed, DidNotLand, Recovering, NotRecovered:
		return true
	default:
		return false
	}
}

// next returns the states that may follow s.
func (s State) next() []State {
	switch s {
	case Planned:
		return []State{Journaled, DidNotLand, CleanedUp}
	case Journaled:
		return []State{Injecting, DidNotLand}
	case Injecting:
		return []State{Landed, DidNotLand}
	case Landed, NotRecovered:
		return []State{Recovering}
	case DidNotLand:
		return []State{Recovering, CleanedUp}
	case Recovering:
		return []State{Recovered, NotRecovered}
	case Recovered:
		return []State{CleanedUp}
	default:
		return nil
	}
}

func (s State) allows(to State) bool { return slices.Contains(s.next(), to) }

// TransitionError is a step that a disturbance cannot take in its state.
type TransitionError struct {
	Fault    string
	From, To State
}

// Error names the fault, the step and what would be possible.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("fault %s is %s: it cannot become %s (possible: %v)", e.Fault, e.From, e.To, e.From.next())
}

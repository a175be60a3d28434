// Package anchor decides when the steps of a plan begin: each anchor is a predicate over the model of the history. Anchors use no clock
// and no cluster, so the same events always reach an anchor at the same event.
package anchor

import (
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Anchor recognises one moment in a model that keeps the application's progress (model.KeepProgress). Callers that wait for it ask after
// each event.
//
// Only events after the one with sequence number since reach it; zero means from the start. For the recovery of a fault since is the
// event of its injection, so that the anchor driverRescheduled is not reached by what an earlier fault caused.
type Anchor interface {
	// Reached reports whether the moment has come, and returns the sequence numbers of the events that prove it; the last of them is
	// newer than since. The result may become false again: an executor that registered may be lost.
	Reached(m *model.Model, since int64) (reached bool, evidence []int64)
	// Seen describes what was seen so far, for progress and for an anchor that is never reached.
	Seen(m *model.Model, since int64) string
}

// New returns the anchor that a scenario chose. own are anchors that are not in the catalogue.
func New(choice scenario.Choice, own ...Kind) (Anchor, error) {
	for _, k := range append(kinds(), own...) {
		if k.Name == choice.Name {
			return k.build(choice.Args)
		}
	}
	return nil, fmt.Errorf("anchor %q is not known; known are %v", choice.Name, scenario.Names(Entries()))
}

// Entries are the anchors as a scenario sees them.
func Entries() []scenario.Entry {
	entries := make([]scenario.Entry, 0, len(kinds()))
	for _, k := range kinds() {
		entries = append(entries, k.Entry)
	}
	return entries
}

// Default deadlines of anchors: about three times what they take on a slow machine.
const (
	toStart    = 3 * time.Minute // the image is there; pods start, Spark comes up
	toProgress = 5 * time.Minute // the application works
	toNotice   = 5 * time.Minute // Kubernetes notices a dead node (its defaults: 55 s and a back-off) and acts
	toComplete = 10 * time.Minute
)

// kinds is the registry of all anchors, in the order in which a run usually meets them.
func kinds() []Kind {
	return []Kind{
		driverInitializingKind(),
		driverRunningKind(),
		byWitness(executorsRegisteredKind()),
		byWitness(stageRunningKind()),
		byWitness(tasksCompletedKind()),
		byWitness(batchCompletedKind()),
		driverRescheduledKind(),
		faultLandedKind(),
		faultRecoveredKind(),
		applicationCompletedKind(),
	}
}

// Kind is one anchor of a catalogue.
type Kind struct {
	scenario.Entry
	build func(args any) (Anchor, error)
}

// kindOf returns the kind of an anchor with the given type of arguments.
func kindOf[A any](name, doc string, deadline time.Duration, defaults A, phrase func(A) string, build func(A) Anchor) Kind {
	return Kind{
		Entry: scenario.Entry{
			Name: name, Doc: doc, Deadline: deadline,
			Args: func() any { args := defaults; return &args },
			Phrase: func(args any) string {
				if typed, ok := args.(*A); ok && typed != nil {
					return phrase(*typed)
				}
				return name
			},
		},
		build: func(args any) (Anchor, error) {
			typed, ok := args.(*A)
			if !ok || typed == nil {
				return nil, fmt.Errorf("anchor %s takes arguments of type %T, got %T", name, new(A), args)
			}
			return build(*typed), nil
		},
	}
}

// byWitness marks a kind of anchor that can only be reached by the reports of drivers and executors.
func byWitness(k Kind) Kind {
	k.Witness = true
	return k
}

// None are the arguments of an anchor that takes none.
type None struct{}

// AtLeast are the arguments of an anchor that counts.
type AtLeast struct {
	AtLeast int `json:"atLeast" min:"1" max:"1000000"` // how many
}

// listed adds IDs to a sentence; nothing if there are none.
func listed[T any](ids []T) string {
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf(" %v", ids)
}

// newer returns the evidence if its last event is newer than since.
func newer(since int64, evidence ...int64) (bool, []int64) {
	for _, seq := range evidence {
		if seq > since {
			return true, evidence
		}
	}
	return false, nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

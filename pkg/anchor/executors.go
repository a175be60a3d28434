package anchor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// ExecutorsRegisteredArgs are the arguments of executorsRegistered.
type ExecutorsRegisteredArgs struct {
	AtLeast     int `json:"atLeast" min:"1" max:"1000000"`               // how many
	Incarnation int `json:"incarnation,omitempty" min:"1" max:"1000000"` // the driver's life, counted from 1, before which nothing counts; absent: any
}

func executorsRegisteredKind() kind {
	return kindOf("executorsRegistered", "At least so many executors are registered with the live incarnation's driver.", toStart, ExecutorsRegisteredArgs{AtLeast: 1},
		func(a ExecutorsRegisteredArgs) string {
			words := fmt.Sprintf("at least %s registered", plural(a.AtLeast, "executor is", "executors are"))
			if a.Incarnation > 1 {
				words += fmt.Sprintf(" with the driver's incarnation %d or a later one", a.Incarnation)
			}
			return words
		},
		func(a ExecutorsRegisteredArgs, since int64) Anchor {
			return &executorsRegistered{ExecutorsRegisteredArgs: a, since: since, registered: executorSet{}, removed: executorSet{}}
		})
}

// executorSet holds executors by incarnation and executor id, with the event that told of each first.
type executorSet map[string]map[string]int64

func (s executorSet) add(r history.WitnessRecord, seq int64) {
	if s[r.Incarnation] == nil {
		s[r.Incarnation] = map[string]int64{}
	}
	if _, known := s[r.Incarnation][r.ExecutorID]; !known {
		s[r.Incarnation][r.ExecutorID] = seq
	}
}

// executorsRegistered relies on the driver's own word, by the witness. An executor id is never used twice within an
// incarnation, so the order in which records arrive does not matter: what was removed stays removed.
type executorsRegistered struct {
	ExecutorsRegisteredArgs
	drivers    drivers
	since      int64
	registered executorSet
	removed    executorSet
}

// Observe implements Anchor.
func (a *executorsRegistered) Observe(e history.Event) (bool, []int64) {
	a.drivers.observe(e)
	if r, ok := record(e, history.ExecutorRegistered, history.ExecutorRemoved); ok && r.ExecutorID != "" {
		set := a.registered
		if r.Type == history.ExecutorRemoved || e.Type == history.ExecutorRemoved {
			set = a.removed
		}
		set.add(r, e.Seq)
	}
	live := a.drivers.live()
	if live == nil || slices.Index(a.drivers.incarnations(), live) < a.Incarnation-1 {
		return false, nil
	}
	registrations := a.current(live.Metadata.UID)
	if len(registrations) < a.AtLeast {
		return false, nil
	}
	evidence := append([]int64{live.running}, registrations[len(registrations)-a.AtLeast:]...)
	slices.Sort(evidence)
	return newer(a.since, evidence...)
}

// current returns the registrations of an incarnation's executors that were not removed, in the order of events.
func (a *executorsRegistered) current(incarnation string) []int64 {
	var seqs []int64
	for id, seq := range a.registered[incarnation] {
		if _, gone := a.removed[incarnation][id]; !gone {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

// Seen implements Anchor.
func (a *executorsRegistered) Seen() string {
	live := a.drivers.live()
	if live == nil {
		return a.drivers.String()
	}
	ids := slices.SortedFunc(maps.Keys(a.registered[live.Metadata.UID]), func(x, y string) int {
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	})
	ids = slices.DeleteFunc(ids, func(id string) bool { _, gone := a.removed[live.Metadata.UID][id]; return gone })
	return fmt.Sprintf("%d of %s registered %v; %s", len(ids), plural(a.AtLeast, "executor", "executors"), ids, &a.drivers)
}

package anchor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

func executorsRegisteredKind() kind {
	return kindOf("executorsRegistered", "At least so many executors are registered with the live incarnation's driver.", toStart, AtLeast{AtLeast: 1},
		func(a AtLeast) string {
			return fmt.Sprintf("at least %s registered", plural(a.AtLeast, "executor is", "executors are"))
		},
		func(a AtLeast, since int64) Anchor {
			return &executorsRegistered{atLeast: a.AtLeast, since: since, registered: executorSet{}, removed: executorSet{}}
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
	drivers    drivers
	atLeast    int
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
	if live == nil {
		return false, nil
	}
	registrations := a.current(live.Metadata.UID)
	if len(registrations) < a.atLeast {
		return false, nil
	}
	evidence := append([]int64{live.running}, registrations[len(registrations)-a.atLeast:]...)
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
	return fmt.Sprintf("%d of %s registered %v; %s", len(ids), plural(a.atLeast, "executor", "executors"), ids, &a.drivers)
}

package anchor

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// ExecutorsRegisteredArgs are the arguments of executorsRegistered.
type ExecutorsRegisteredArgs struct {
	AtLeast int `json:"atLeast" min:"1" max:"1000000"` // how many
	// Incarnation is the driver incarnation from which on executors count, from 1; absent: any.
	Incarnation int `json:"incarnation,omitempty" min:"1" max:"1000000"`
}

func executorsRegisteredKind() Kind {
	return kindOf("executorsRegistered", "At least this many executors are registered with the driver of the live incarnation.", toStart,
		ExecutorsRegisteredArgs{AtLeast: 1},
		func(a ExecutorsRegisteredArgs) string {
			words := fmt.Sprintf("at least %s registered", plural(a.AtLeast, "executor is", "executors are"))
			if a.Incarnation > 1 {
				words += fmt.Sprintf(" with the driver's incarnation %d or a later one", a.Incarnation)
			}
			return words
		},
		func(a ExecutorsRegisteredArgs) Anchor { return executorsRegistered(a) })
}

// executorsRegistered relies on the driver's own reports to the witness. An executor ID is never reused within an
// incarnation, so the order in which records arrive does not matter: an executor that was removed stays removed.
type executorsRegistered ExecutorsRegisteredArgs

// Reached implements Anchor.
func (a executorsRegistered) Reached(m *model.Model, since int64) (bool, []int64) {
	all := drivers(m)
	live := all.Live()
	if live == nil || slices.Index(all, live) < a.Incarnation-1 {
		return false, nil
	}
	var events []int64
	for _, e := range registrations(m, live) {
		events = append(events, e.At.Seq)
	}
	if len(events) < a.AtLeast {
		return false, nil
	}
	slices.Sort(events)
	evidence := append([]int64{live.Pod.Running.Seq}, events[len(events)-a.AtLeast:]...)
	slices.Sort(evidence)
	return newer(since, evidence...)
}

// registrations returns the executors of an incarnation that were not removed, in the order of their ids.
func registrations(m *model.Model, incarnation *model.Incarnation) []*model.Registered {
	var all []*model.Registered
	for _, p := range m.Processes {
		if p.Role != model.RoleDriver || cmp.Or(p.Incarnation, p.PodUID) != incarnation.UID {
			continue
		}
		for _, e := range p.Executors {
			if e.ID != "" && !e.At.Never() && e.Removed.Never() {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b *model.Registered) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Seen implements Anchor.
func (a executorsRegistered) Seen(m *model.Model, _ int64) string {
	live := drivers(m).Live()
	if live == nil {
		return tell(m)
	}
	var ids []string
	for _, e := range registrations(m, live) {
		ids = append(ids, e.ID)
	}
	return fmt.Sprintf("%d of %s registered%s; %s", len(ids), plural(a.AtLeast, "executor", "executors"), listed(ids), tell(m))
}

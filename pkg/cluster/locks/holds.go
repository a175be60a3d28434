package locks

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// Holds are the clusters of one kind that this process holds.
type Holds struct {
	locks Locks

	mu   sync.Mutex
	held map[string]*hold
}

var _ cluster.Exclusive = (*Holds)(nil)

// hold is one cluster that this process holds, for as many as want it.
type hold struct {
	held  *Held
	users int
}

// NewHolds returns the holds of a process that has none yet.
func NewHolds(l Locks) *Holds { return &Holds{locks: l, held: map[string]*hold{}} }

// Hold implements cluster.Exclusive.
func (h *Holds) Hold(
	ctx context.Context, name string, by cluster.Holder, patience time.Duration, waiting func(cluster.Holder),
) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	own, ok := h.held[name]
	if !ok {
		held, err := h.locks.Hold(ctx, name, by, patience, waiting)
		if err != nil {
			return nil, err
		}
		own = &hold{held: held}
		h.held[name] = own
	}
	own.users++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if own.users--; own.users == 0 {
			own.held.Release()
			delete(h.held, name)
		}
	}), nil
}

// Note implements cluster.Exclusive.
func (h *Holds) Note(name, run string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	own, ok := h.held[name]
	if !ok {
		return errors.New("cluster " + name + " is not held by this process")
	}
	return own.held.Note(run)
}

// Act keeps runs from beginning on a cluster while something is done to it.
func (h *Holds) Act(ctx context.Context, name string) (done func(), err error) {
	return h.locks.Act(ctx, name)
}

// Holder implements cluster.Exclusive.
func (h *Holds) Holder(name string) (*cluster.Holder, error) { return h.locks.Holder(name) }

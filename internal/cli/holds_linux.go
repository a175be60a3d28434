package cli

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// holds are the clusters of one kind that this process holds.
type holds struct {
	locks locks.Locks

	mu   sync.Mutex
	held map[string]*hold
}

// hold is one cluster that this process holds, for as many as want it.
type hold struct {
	held  *locks.Held
	users int
}

func newHolds(l locks.Locks) *holds { return &holds{locks: l, held: map[string]*hold{}} }

// Hold implements runner.Exclusive.
func (h *holds) Hold(ctx context.Context, name string, by locks.Holder, patience time.Duration, waiting func(locks.Holder)) (release func(), err error) {
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

// Note implements runner.Exclusive.
func (h *holds) Note(name, run string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	own, ok := h.held[name]
	if !ok {
		return errors.New("cluster " + name + " is not held by this process")
	}
	return own.held.Note(run)
}

// Act keeps runs from beginning on a cluster while something is done to it.
func (h *holds) Act(ctx context.Context, name string) (done func(), err error) {
	return h.locks.Act(ctx, name)
}

// Take takes a cluster away from everybody, to remove it.
func (h *holds) Take(ctx context.Context, name string) (release func(), err error) {
	return h.Hold(ctx, name, runner.Holding("a command `cluster down`"), 0, func(locks.Holder) {})
}

// Holder returns the run that holds a cluster; nil if none does.
func (h *holds) Holder(name string) (*locks.Holder, error) { return h.locks.Holder(name) }

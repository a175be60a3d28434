package cluster

import (
	"context"
	"errors"
	"time"
)

// RunLabel is on everything that a run makes in a cluster; its value is the run's ID.
const RunLabel = "sparkchaos.dev/run"

// Shared is a cluster that was not made for tests: others use it, and other harnesses may reach it from other machines.
type Shared interface {
	Cluster
	// Acquire takes hold of the cluster for a run and makes what the harness needs inside of it. It fails if another harness
	// holds it.
	Acquire(ctx context.Context, run string) error
	// Release removes what Acquire made and lets go; without Acquire it does nothing.
	Release(ctx context.Context) error
	// Holding returns a context that ends, with the reason as its cause, when the cluster that was acquired is lost to another
	// harness: nothing must be done to it any more. Without Acquire it does not end.
	Holding() context.Context
	// MayAct reports by its error that the cluster was lost. Unlike Holding it asks the cluster, so that it also knows when this
	// process was suspended until a moment ago.
	MayAct(ctx context.Context) error
	// UndoStore keeps undo records in the cluster itself, for a clean-up from another machine.
	UndoStore() UndoStore
	// ClockOffsets measures the clocks of the workers that are up against this machine's.
	ClockOffsets(ctx context.Context) ([]ClockOffset, error)
}

// ErrUnreachable is why a Listen fails where pods do not reach this machine.
var ErrUnreachable = errors.New("pods of the cluster do not reach this machine, as far as anybody said")

// UndoStore keeps encoded undo records outside of this machine.
type UndoStore interface {
	// Keep returns when the record of a run is stored.
	Keep(ctx context.Context, run, id string, record []byte) error
	// Forget removes a record; one that is not there is no error.
	Forget(ctx context.Context, run, id string) error
	// All returns the records of all runs, by run and ID.
	All(ctx context.Context) (map[string]map[string][]byte, error)
}

// ClockOffset is by how much a node's clock is ahead of this machine's; negative: behind.
type ClockOffset struct {
	Node        string        `json:"node"`
	Offset      time.Duration `json:"offset"`
	Uncertainty time.Duration `json:"uncertainty"` // half of the round trip in which it was asked
}

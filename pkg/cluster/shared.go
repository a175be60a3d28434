package cluster

import (
	"context"
	"errors"
	"time"
)

// RunLabel is on everything that a run makes in a cluster; its value is the run's ID.
const RunLabel = "sparkchaos.dev/run"

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

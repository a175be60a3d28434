package cluster

import (
	"fmt"
	"os"
	"time"
)

// Holder is who holds a cluster.
type Holder struct {
	// Run is the ID of the run; empty until it has one.
	Run string `json:"run,omitempty"`
	// What the process does, such as "run of driver-node-power-off".
	What  string    `json:"what"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// Holding returns who this process is to others that find a cluster held; what says what it does.
func Holding(what string) Holder { return Holder{What: what, PID: os.Getpid(), Since: time.Now()} }

// String names the holder to a person.
func (h Holder) String() string {
	what := h.What
	if h.Run != "" {
		what = "run " + h.Run
	}
	return fmt.Sprintf("%s (process %d) since %s", what, h.PID, h.Since.Local().Format(time.DateTime))
}

// HeldError is why something is not done to a cluster: a run holds it, or a command does something to it.
type HeldError struct {
	Kind, Cluster string
	// Holder is the run; nil if a command does something to the cluster, or the run has not said yet who it is.
	Holder *Holder
}

// Error implements error.
func (e *HeldError) Error() string {
	by := "another process"
	if e.Holder != nil {
		by = e.Holder.String()
	}
	return fmt.Sprintf("the %s cluster %s is held by %s: one run has a cluster at a time", e.Kind, e.Cluster, by)
}

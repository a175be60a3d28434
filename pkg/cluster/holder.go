package cluster

import (
	"fmt"
	"os"
	"time"
)

// Holder identifies the run or process that holds a cluster.
type Holder struct {
	// Run is the ID of the run; empty until it has one.
	Run string `json:"run,omitempty"`
	// The purpose of the process, such as "run of driver-node-power-off".
	What  string    `json:"what"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// Holding returns the Holder for this process; what describes what it does.
func Holding(what string) Holder { return Holder{What: what, PID: os.Getpid(), Since: time.Now()} }

// String describes the holder.
func (h Holder) String() string {
	what := h.What
	if h.Run != "" {
		what = "run " + h.Run
	}
	return fmt.Sprintf("%s (process %d) since %s", what, h.PID, h.Since.Local().Format(time.DateTime))
}

// HeldError reports that a cluster is held by a run, or in use by a command.
type HeldError struct {
	Kind, Cluster string
	// Holder is the run; nil if a command uses the cluster, or if the run has not identified itself yet.
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

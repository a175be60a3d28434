package main

import (
	"fmt"
	"syscall"
	"time"
)

const (
	// decommissionName is how Spark calls its script unless spark.kubernetes.decommission.script says otherwise.
	decommissionName = "decom.sh"
	// decommissionTimeout is that of Spark's own script: an executor that takes longer gets the container's SIGTERM then.
	decommissionTimeout = time.Minute
	// javaProcess is Java in its container: the entry point has become it.
	javaProcess = 1
)

// decommission asks the container's executor to hand over what it has and to end, and waits for that: the kubelet ends
// the container as soon as the hook returns. The end of Java takes this process with it, so returning means that the
// executor did not make it in time.
func decommission(kill func(pid int, signal syscall.Signal) error, late <-chan time.Time) error {
	if err := kill(javaProcess, syscall.SIGPWR); err != nil {
		return fmt.Errorf("ask process %d, the executor, to decommission itself: %w", javaProcess, err)
	}
	<-late
	return nil
}

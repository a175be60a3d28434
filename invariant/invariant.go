// Package invariant has the shipped invariants, for runs of package sparkchaos. What each means is told by its definition in package check,
// and by "sparkchaos schema".
package invariant

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// DriverRescheduled expects a new driver to run on another node within a bound after a fault cost the application its driver.
func DriverRescheduled(within time.Duration) check.Expectation {
	return bounded("driverRescheduled", within)
}

// StaleExecutorsGone expects the executors of a driver that was replaced to be gone within a bound.
func StaleExecutorsGone(within time.Duration) check.Expectation {
	return bounded("staleExecutorsGone", within)
}

// DriverKept expects the driver not to be replaced.
func DriverKept() check.Expectation { return plain("driverKept") }

// AtMostOneDriver expects no two drivers to be alive at once.
func AtMostOneDriver() check.Expectation {
	return check.Expectation{Expectation: scenario.Expectation{Name: "atMostOneDriver", Args: &check.OverlapArgs{}}}
}

// ExecutorNamesUnique expects no name of an executor to be used twice.
func ExecutorNamesUnique() check.Expectation { return plain("executorNamesUnique") }

// ApplicationIDsUnique expects each driver to have an application id of its own.
func ApplicationIDsUnique() check.Expectation { return plain("applicationIdsUnique") }

// ExecutorsKept expects a driver that replaced another one to keep the executors that no fault hit.
func ExecutorsKept() check.Expectation { return plain("executorsKept") }

// NothingLeftBehind expects nothing of the run to be left in the cluster.
func NothingLeftBehind() check.Expectation { return plain("nothingLeftBehind") }

func plain(name string) check.Expectation {
	return check.Expectation{Expectation: scenario.Expectation{Name: name, Args: &check.NoArgs{}}}
}

func bounded(name string, within time.Duration) check.Expectation {
	args := &check.WithinArgs{Within: scenario.Duration(within)}
	return check.Expectation{Expectation: scenario.Expectation{Name: name, Args: args}}
}

// Package invariant has the shipped invariants, for runs of package sparkchaos. Their definitions in package check describe what
// each means, as does "sparkchaos schema".
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
func AtMostOneDriver() check.Expectation { return DriversOverlapAtMost(0) }

// DriversOverlapAtMost expects no two drivers to be alive at once for longer than that, in all.
func DriversOverlapAtMost(overlap time.Duration) check.Expectation {
	return of("atMostOneDriver", &check.OverlapArgs{Overlap: scenario.Duration(overlap)})
}

// ExecutorNamesUnique expects no name of an executor to be used twice.
func ExecutorNamesUnique() check.Expectation { return plain("executorNamesUnique") }

// ApplicationIDsUnique expects each driver to have an application id of its own.
func ApplicationIDsUnique() check.Expectation { return plain("applicationIdsUnique") }

// ExecutorsKept expects a driver that replaced another one to keep the executors that no fault hit.
func ExecutorsKept() check.Expectation { return plain("executorsKept") }

// NothingLeftBehind expects nothing of the run to be left in the cluster.
func NothingLeftBehind() check.Expectation { return plain("nothingLeftBehind") }

// StagedArtifactsSurvive expects what was staged before a fault took away a pod of the staging server to be fetched after it.
func StagedArtifactsSurvive() check.Expectation { return plain("stagedArtifactsSurvive") }

// NoStaleStandIn expects no executor of an earlier driver to be taken for a lost one of the new driver.
func NoStaleStandIn() check.Expectation { return plain("noStaleStandIn") }

// ExecutorReplaced expects an executor that a fault hit to be replaced within a bound.
func ExecutorReplaced(within time.Duration) check.Expectation {
	return bounded("executorReplaced", within)
}

// StreamContinues expects a streaming application to continue where it stopped.
func StreamContinues() check.Expectation { return plain("streamContinues") }

// WordsCounted expects each word of the source to be counted as often as a delivery promises: check.ExactlyOnce or check.AtLeastOnce.
func WordsCounted(delivery string) check.Expectation {
	return of("wordsCounted", &check.DeliveryArgs{Delivery: delivery})
}

// ShuffleSurvives expects of the map outputs that a fault hit none or just the lost ones to be computed again: check.RecomputedNone or
// check.RecomputedLost.
func ShuffleSurvives(recomputed string) check.Expectation {
	return of("shuffleSurvives", &check.ShuffleArgs{Recomputed: recomputed})
}

// ResultEqualsBaseline expects the result to be that of a run without faults.
func ResultEqualsBaseline() check.Expectation { return plain("resultEqualsBaseline") }

// OutputFilesOnce expects the files of the workload's outputs to be those of one write each.
func OutputFilesOnce() check.Expectation { return plain("outputFilesOnce") }

// Completes expects the application to complete within a bound from its launch.
func Completes(within time.Duration) check.Expectation { return bounded("completes", within) }

// RecoveryWithin expects the phases of a recovery to take no longer than their bounds.
func RecoveryWithin(bounds check.RecoveryArgs) check.Expectation {
	return of("recoveryWithin", &bounds)
}

func plain(name string) check.Expectation { return of(name, &check.NoArgs{}) }

func bounded(name string, within time.Duration) check.Expectation {
	return of(name, &check.WithinArgs{Within: scenario.Duration(within)})
}

func of(name string, args any) check.Expectation {
	return check.Expectation{Expectation: scenario.Expectation{Name: name, Args: args}}
}

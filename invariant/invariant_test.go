package invariant

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/entrytest"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestEachInvariantOfTheCatalogueHasItsConstructor(t *testing.T) {
	t.Parallel()
	var made []scenario.Choice
	for _, e := range []check.Expectation{
		DriverRescheduled(time.Minute), StaleExecutorsGone(time.Minute), DriverKept(), AtMostOneDriver(), DriversOverlapAtMost(time.Second),
		ExecutorNamesUnique(), ApplicationIDsUnique(), ExecutorsKept(), NothingLeftBehind(), StagedArtifactsSurvive(), NoStaleStandIn(),
		ExecutorReplaced(time.Minute), StreamContinues(), WordsCounted(check.ExactlyOnce), WordsCounted(check.AtLeastOnce),
		ShuffleSurvives(check.RecomputedNone), ShuffleSurvives(check.RecomputedLost), ResultEqualsBaseline(), OutputFilesOnce(),
		Completes(time.Minute),
		RecoveryWithin(check.RecoveryArgs{Total: scenario.Duration(time.Minute)}),
	} {
		made = append(made, e.Expectation)
	}
	entrytest.Match(t, check.Entries(), made)
}

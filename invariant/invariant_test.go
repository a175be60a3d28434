package invariant

import (
	"reflect"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestEachIsAnInvariantOfTheCatalogueWithArgumentsOfItsType(t *testing.T) {
	t.Parallel()
	for _, e := range []check.Expectation{
		DriverRescheduled(time.Minute), StaleExecutorsGone(time.Minute), DriverKept(), AtMostOneDriver(), ExecutorNamesUnique(),
		ApplicationIDsUnique(), ExecutorsKept(), NothingLeftBehind(),
	} {
		entry, known := scenario.Find(check.Entries(), e.Name)
		if !known {
			t.Errorf("%s is not in the catalogue", e.Name)
			continue
		}
		if want, got := reflect.TypeOf(entry.Args()), reflect.TypeOf(e.Args); want != got {
			t.Errorf("%s: arguments are %v, want %v", e.Name, got, want)
		}
		if entry.Check != nil && len(entry.Check(e.Args)) > 0 {
			t.Errorf("%s: %v", e.Name, entry.Check(e.Args))
		}
	}
}

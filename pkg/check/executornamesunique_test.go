package check

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// suppressing is a driver that is refused after its witness has held back so many refusals.
func suppressing(driver, held string) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Extra = func(b *historytest.Builder) {
			b.Witness(30*second, 30*second, history.WitnessRecord{
				Type: history.PodCreateRefused, Role: "driver", PodUID: driver, PodName: "driver-" + driver, Incarnation: driver,
				Detail: map[string]string{"podName": "any", "code": "403", "suppressed": held},
			})
		}
	}
}

func refused(driver, name, code string) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Extra = func(b *historytest.Builder) {
			b.Witness(27*second, 27*second, history.WitnessRecord{
				Type: history.PodCreateRefused, Role: "driver", PodUID: driver, PodName: "driver-" + driver, Incarnation: driver,
				Detail: map[string]string{"podName": name, "code": code, "message": `pods "` + name + `" already exists`},
			})
		}
	}
}

func TestExecutorNamesUnique(t *testing.T) {
	t.Parallel()
	runInvariant(t, "executorNamesUnique", args{}, []invariantCase{
		{name: "prefix by incarnation", want: Pass, measure: "4 names by 2 incarnations",
			shows: []string{"driver-d1-exec-1", "driver-d2-exec-1"}},
		{name: "fixed prefix, the old pods gone already", want: Violation, measure: "fixed-exec-1 asked for 2 times",
			twist: func(s *historytest.Story) {
				s.Drivers[0].Prefix, s.Drivers[1].Prefix = "fixed", "fixed"
			}},
		{name: "fixed prefix, hidden by Spark that skips the ids", want: Violation, twist: func(s *historytest.Story) {
			s.Drivers[0].Prefix, s.Drivers[1].Prefix = "fixed", "fixed"
			s.Drivers[1].Executors[0].ID, s.Drivers[1].Executors[1].ID = "3", "4"
			refused("d2", "fixed-exec-1", "409")(s)
		}, shows: []string{"was refused an executor pod fixed-exec-1"}},
		{name: "refused the name of its own pod", want: Pass, twist: refused("d2", "driver-d2-exec-1", "409")},
		{name: "refusals that the witness held back", want: Inconclusive, says: "40 were held back", twist: suppressing("d2", "40")},
		{name: "none was held back", want: Pass, twist: suppressing("d2", "0")},
		{name: "refused for another reason", want: Pass, twist: refused("d2", "driver-d1-exec-1", "403")},
		{name: "refused a name that nobody held", want: Inconclusive, says: "stranger", twist: refused("d2", "stranger", "409")},
		{name: "refused a name that the refusal does not tell", want: Inconclusive, twist: refused("d2", "", "409")},
		{name: "one incarnation uses a name twice", want: Violation, twist: func(s *historytest.Story) { s.Drivers[0].Executors[1].ID = "1" }},
		{name: "only one incarnation asked", want: Inconclusive, twist: func(s *historytest.Story) { s.Drivers[1].Executors = nil }},
		{name: "executors of one incarnation, which nothing hit", want: Pass, twist: func(s *historytest.Story) {
			withoutFault(s)
			withoutReplacement(s)
		}},
		{name: "no executors at all", want: Inconclusive, twist: func(s *historytest.Story) {
			withoutFault(s)
			s.Drivers[0].Executors, s.Drivers[1].Executors = nil, nil
		}},
		{name: "pods unseen for a while", want: Inconclusive, twist: podGap},
		{name: "pods unseen for a while, but a collision is proven", want: Violation, twist: func(s *historytest.Story) {
			s.Drivers[0].Prefix, s.Drivers[1].Prefix = "fixed", "fixed"
			podGap(s)
		}},
	})
}

package check

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestApplicationIDsUnique(t *testing.T) {
	t.Parallel()
	runInvariant(t, "applicationIdsUnique", args{}, []invariantCase{
		{name: "different", want: Pass, measure: "2 ids for 2 incarnations", shows: []string{"spark-1", "spark-2"}},
		{name: "the same", want: Violation, says: "the same application id spark-1",
			twist: func(s *historytest.Story) { s.Drivers[1].Application = "spark-1" }},
		{name: "the same by the executors' label alone", want: Violation, twist: func(s *historytest.Story) {
			s.Drivers[1].Application, s.Drivers[1].Started = "spark-1", 0
		}},
		{name: "the same by the drivers' records alone", want: Violation, twist: func(s *historytest.Story) {
			s.Drivers[1].Application, s.Drivers[1].Executors = "spark-1", nil
		}},
		{name: "one incarnation", want: Inconclusive, says: "1 of 1", twist: withoutReplacement},
		{name: "one incarnation, which nothing hit", want: Pass, measure: "1 id for 1 incarnation", twist: func(s *historytest.Story) {
			withoutFault(s)
			withoutReplacement(s)
		}},
		{name: "no driver", want: Inconclusive, twist: func(s *historytest.Story) { s.Drivers = nil }},
		{name: "an id that nobody told", want: Inconclusive, twist: func(s *historytest.Story) { s.Drivers[1].Application = "" }},
		{name: "pods unseen for a while", want: Inconclusive, twist: podGap},
	})
}

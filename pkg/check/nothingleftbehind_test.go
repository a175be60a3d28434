package check

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestNothingLeftBehind(t *testing.T) {
	t.Parallel()
	runInvariant(t, "nothingLeftBehind", args{}, []invariantCase{
		{name: "nothing", want: Pass, measure: "0 left", shows: []string{"pods, namespaces"}},
		{name: "something", want: Violation, says: "Namespace run-1", twist: func(s *historytest.Story) {
			s.Leftovers.Found = []history.Object{{Kind: "Namespace", Name: "run-1"}}
		}},
		{name: "something, though not everything could be looked at", want: Violation, twist: func(s *historytest.Story) {
			s.Leftovers.Found, s.Leftovers.Errors = []history.Object{{Kind: "Namespace", Name: "run-1"}}, []string{"forbidden"}
		}},
		{name: "nobody looked", want: Inconclusive, twist: func(s *historytest.Story) { s.Leftovers = nil }},
		{name: "looking failed", want: Inconclusive, says: "forbidden", twist: func(s *historytest.Story) { s.Leftovers.Errors = []string{"forbidden"} }},
		{name: "nothing was looked for", want: Inconclusive, twist: func(s *historytest.Story) { s.Leftovers.Checked = nil }},
	})
}

package check

import (
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestNothingLeftBehind(t *testing.T) {
	t.Parallel()
	runInvariant(t, "nothingLeftBehind", args{}, []invariantCase{
		{name: "nothing", want: Pass, measure: "0 left", shows: []string{"namespaces of the run, volumes of the run"}},
		{name: "something", want: Violation, says: "Namespace run-1", twist: func(s *historytest.Story) {
			s.Leftovers.Found = []history.Object{{Kind: "Namespace", Name: "run-1"}}
		}},
		{name: "something, though not everything could be looked at", want: Violation, twist: func(s *historytest.Story) {
			s.Leftovers.Found, s.Leftovers.Errors = []history.Object{{Kind: "Namespace", Name: "run-1"}}, []string{"forbidden"}
		}},
		{name: "an undo record is open, and somebody could look", want: Violation, says: "UndoRecord 0001-lose",
			twist: func(s *historytest.Story) {
				s.Leftovers.Found = undoRecord()
			}},
		{name: "an undo record is open, and nobody could look", want: Inconclusive, measure: "0 left, 1 unknown",
			says: "the undoing by UndoRecord 0001-lose is still open; `sparkchaos cleanup` does it", twist: func(s *historytest.Story) {
				s.Leftovers.Unseen, s.Leftovers.Errors = undoRecord(), []string{"undo record 0001-lose: docker does not answer"}
			}, shows: []string{"open, and nobody could look at what it is about: UndoRecord 0001-lose"}},
		{name: "one thing was seen to be left, another could not be looked at", want: Violation, measure: "1 left, 1 unknown",
			says: "Namespace run-1", twist: func(s *historytest.Story) {
				s.Leftovers.Found, s.Leftovers.Unseen = []history.Object{{Kind: "Namespace", Name: "run-1"}}, undoRecord()
			}},
		{name: "something, before the clean-up", want: Inconclusive, says: "before the clean-up had begun", twist: func(s *historytest.Story) {
			s.Leftovers.Found, s.CleanUp = []history.Object{{Kind: "Namespace", Name: "run-1"}}, 0
		}},
		{name: "told twice: the first one counts", want: Violation, says: "Namespace run-1", twist: and(func(s *historytest.Story) {
			s.Leftovers.Found = []history.Object{{Kind: "Namespace", Name: "run-1"}}
		}, adding(func(b *historytest.Builder) {
			b.Harness(58*second, history.Leftovers, history.LeftoversData{Checked: []string{"undo records"}})
		}))},
		{name: "nobody looked", want: Inconclusive, twist: func(s *historytest.Story) { s.Leftovers = nil }},
		{name: "looking failed", want: Inconclusive, says: "forbidden",
			twist: func(s *historytest.Story) { s.Leftovers.Errors = []string{"forbidden"} }},
		{name: "nothing was looked for", want: Inconclusive, twist: func(s *historytest.Story) { s.Leftovers.Checked = nil }},
	})
}

func undoRecord() []history.Object { return []history.Object{{Kind: "UndoRecord", Name: "0001-lose"}} }

// TestAClusterThatDoesNotAnswerIsAnErrorAndNoViolation is a container engine that ends in the middle of a run: what nobody
// could look at outranks nothing.
func TestAClusterThatDoesNotAnswerIsAnErrorAndNoViolation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		error string
		found []history.Object
		want  Verdict
	}{
		{"the run ended by it", "docker does not answer", nil, Error},
		{"the run had ended before", "", nil, Inconclusive},
		{"the run ended by it, and something was seen to be left", "docker does not answer",
			[]history.Object{{Kind: "Namespace", Name: "run-1"}}, Violation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			story := historytest.PowerOff(historytest.Expect("nothingLeftBehind", nil))
			story.End.Error = tt.error
			story.Leftovers = &history.LeftoversData{Checked: []string{"undo records"}, Found: tt.found, Unseen: undoRecord(),
				Errors: []string{"undo record 0001-lose: docker does not answer"}}
			if v, _ := judgeStory(t, story); v.Verdict != tt.want {
				t.Errorf("%s: %s; want %s", v.Verdict, v.Reason, tt.want)
			}
		})
	}
}

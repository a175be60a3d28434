package check

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// registered makes a driver register an executor for which it made no pod.
func registered(driver, id string) func(*historytest.Builder) {
	return func(b *historytest.Builder) {
		b.Witness(30*second, 30*second, history.WitnessRecord{
			Type: history.ExecutorRegistered, Role: "driver", PodUID: driver, PodName: "driver-" + driver, Incarnation: driver, ExecutorID: id,
		})
	}
}

func committed(at time.Duration, driver, node, key, value string) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Extra = func(b *historytest.Builder) {
			b.Witness(at, at, history.WitnessRecord{
				Type: history.Ledger, Role: "driver", PodUID: driver, PodName: "driver-" + driver, Node: node, Incarnation: driver,
				Detail: map[string]string{"key": key, "value": value},
			})
		}
	}
}

func TestResultEqualsBaseline(t *testing.T) {
	t.Parallel()
	runInvariant(t, "resultEqualsBaseline", args{}, []invariantCase{
		{name: "equal", want: Pass, measure: "1 result", shows: []string{"commits wordcount"}},
		{name: "another value", want: Violation, says: "in the run without faults it is sha256:feed", twist: func(s *historytest.Story) {
			s.Drivers[1].Commits = map[string]string{"wordcount": "sha256:dead"}
		}},
		{name: "lost", want: Violation, says: "was lost: wordcount", twist: func(s *historytest.Story) { s.Drivers[1].Commits = nil }},
		{name: "lost, but the application did not end", want: Inconclusive,
			twist: func(s *historytest.Story) { s.Drivers[1].Commits, s.Completed = nil, 0 }},
		{name: "lost, but a disk was not read", want: Inconclusive, says: "n1", twist: func(s *historytest.Story) {
			s.Drivers[1].Commits = nil
			unreadDisk(s)
		}},
		{name: "another value of the last driver, and the dead one's disk was not read", want: Violation,
			says: "in the run without faults it is sha256:feed", twist: func(s *historytest.Story) {
				s.Drivers[1].Commits = map[string]string{"wordcount": "sha256:dead"}
				unreadDisk(s)
			}},
		{name: "another value of the dead driver, whose disk was not read", want: Inconclusive, says: "n1",
			twist: and(committed(9*second, "d1", "n1", "wordcount", "sha256:dead"), func(s *historytest.Story) {
				s.Drivers[1].Commits = nil
				unreadDisk(s)
			})},
		{name: "something else", want: Violation, says: "no such result", twist: committed(40*second, "d2", "n2", "more", "1")},
		{name: "twice with different values", want: Violation, says: "two incarnations with different values",
			twist: committed(9*second, "d1", "n1", "wordcount", "sha256:dead")},
		{name: "twice with equal values", want: Pass, says: "committed by more than one incarnation with equal values: wordcount",
			twist: committed(9*second, "d1", "n1", "wordcount", "sha256:feed")},
		{name: "step by step within one life", want: Pass, twist: committed(40*second, "d2", "n2", "wordcount", "sha256:half")},
		{name: "the baseline's own commits do not count", want: Pass, twist: func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				b.Witness(52*second, 0, history.WitnessRecord{
					Type: history.Ledger, Role: "driver", PodUID: "old", Node: "n3", Via: "disk",
					Detail: map[string]string{"key": "wordcount", "value": "sha256:else"},
				})
			}
		}},
		{name: "no baseline", want: Inconclusive, twist: func(s *historytest.Story) { s.Baseline = nil }},
		{name: "a disk was not read", want: Inconclusive, says: "n1", twist: unreadDisk},
	})
}

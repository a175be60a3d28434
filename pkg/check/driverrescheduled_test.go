package check

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestDriverRescheduled(t *testing.T) {
	t.Parallel()
	runInvariant(t, "driverRescheduled", args{"within": "20s"}, []invariantCase{
		{name: "in time", want: Pass, measure: "14.5s", shows: []string{"hits incarnation 1", "incarnation 2 (pod driver-d2) runs on n2"}},
		{name: "late", args: args{"within": "14s"}, want: Violation, measure: "14.5s", says: "later than 14s"},
		{name: "counted from the fault's begin, not from the proof of its landing", args: args{"within": "14.4s"}, want: Violation},
		{name: "Pending is not rescheduled", want: Violation, measure: "never", says: "it is Pending on no node",
			twist: func(s *historytest.Story) {
				s.Drivers[1] = historytest.Driver{UID: "d2", Created: 24 * second}
			}},
		{name: "Pending until the lost node is back", want: Violation, measure: "Pending",
			says: "on n1 now and was Pending until 34s after the fault: 0/3 nodes are available", twist: func(s *historytest.Story) {
				s.Drivers[1] = historytest.Driver{UID: "d2", Created: 24 * second, Node: "n1", Running: 44 * second}
				s.Extra = unplaceable
			}, shows: []string{"is put on n1, only now"}},
		{name: "Pending with the scheduler's reason", want: Violation, measure: "Pending",
			says: "it is Pending on no node: 0/3 nodes are available", twist: func(s *historytest.Story) {
				s.Drivers[1] = historytest.Driver{UID: "d2", Created: 24 * second}
				s.Extra = unplaceable
			}, shows: []string{"the scheduler finds no node for it: 0/3 nodes are available"}},
		{name: "no replacement", want: Violation, says: "no new incarnation", twist: withoutReplacement},
		{name: "again on the hit node", want: Violation, says: "on n1", twist: func(s *historytest.Story) { s.Drivers[1].Node = "n1" }},
		{name: "a killed pod may come back on its node", want: Pass, twist: func(s *historytest.Story) {
			s.FaultKind, s.Targets, s.NotReady = "podKill", []history.Object{{Kind: "Pod", Name: "driver-d1", UID: "d1"}}, 0
			s.Drivers[1].Node = "n1"
		}},
		{name: "record ends before the bound", want: Inconclusive, says: "before the bound", args: args{"within": "10m"},
			twist: withoutReplacement},
		{name: "nothing was seen of pods any more, from before the bound", want: Inconclusive, says: "before the bound",
			twist: both(withoutReplacement, blindSince(15*second))},
		{name: "nothing was seen of pods any more, from after the bound", want: Violation, says: "no new incarnation",
			twist: both(withoutReplacement, blindSince(40*second))},
		{name: "the Job failed for good", want: Violation, says: "none will: its Job failed", args: args{"within": "10m"},
			twist: both(withoutReplacement, func(s *historytest.Story) {
				s.Extra = func(b *historytest.Builder) {
					b.Job(20*second, history.Modified, historytest.Namespace, historytest.JobUID, "Failed")
				}
			})},
		{name: "its container crashed before Spark reported", want: Inconclusive, says: "nothing shows that it was a driver",
			twist: func(s *historytest.Story) {
				s.Drivers[1] = historytest.Driver{UID: "d2", Created: 24 * second, Node: "n2", Running: 24500 * time.Millisecond,
					Finished: 24600 * time.Millisecond}
			}},
		{name: "a driver that was being deleted already", want: Inconclusive, says: "no fault that landed cost",
			twist: func(s *historytest.Story) {
				s.Drivers[0].Terminating = 9 * second
				s.Drivers[1].Created, s.Drivers[1].Running = 9500*time.Millisecond, 12*second
			}},
		{name: "seen late after an outage", want: Inconclusive, says: "nothing was seen at the time", args: args{"within": "14s"},
			twist: func(s *historytest.Story) {
				s.Extra = func(b *historytest.Builder) {
					b.Add(24*second, history.Kubernetes, history.Outage, &history.Object{Kind: "Pod"},
						history.GapData{Reason: "connection refused", For: 12 * second})
				}
			}},
		{name: "no fault", want: Inconclusive, twist: withoutFault},
		{name: "fault did not land", want: Inconclusive, twist: func(s *historytest.Story) { s.NotLanded = "the node answers" }},
		{name: "its node was cordoned, which hits no pod", want: Inconclusive,
			says: "no fault that landed cost the application its live driver", twist: func(s *historytest.Story) {
				s.FaultKind, s.Leaves, s.NotReady = "nodeCordon", true, 0
				s.Drivers = s.Drivers[:1]
			}},
		{name: "its node was cordoned before it was hit", want: Pass, measure: "14.5s", twist: func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				began := historytest.Epoch().Add(8 * second)
				b.Fault(9*second, history.FaultLanded,
					history.FaultData{Fault: "cordon", Kind: "nodeCordon", Targets: s.Targets, Began: &began, LeavesRunning: true})
			}
		}},
		{name: "another node was hit", want: Inconclusive, says: "no fault that landed", twist: func(s *historytest.Story) {
			s.Targets = []history.Object{{Kind: "Node", Name: "n3"}}
		}},
	})
}

// unplaceable is the scheduler's word on the second driver's pod.
func unplaceable(b *historytest.Builder) {
	b.Add(25*second, history.Kubernetes, history.Added, &history.Object{Kind: "Event", Name: "e"}, map[string]any{
		"reason": "FailedScheduling", "involvedObject": map[string]string{"kind": "Pod", "uid": "d2"},
		"message": "0/3 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
	})
}

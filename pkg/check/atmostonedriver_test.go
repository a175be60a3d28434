package check

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestAtMostOneDriver(t *testing.T) {
	t.Parallel()
	runInvariant(t, "atMostOneDriver", args{"overlap": "0s"}, []invariantCase{
		{name: "one after the other", want: Pass, measure: "0s", shows: []string{"first sign of life on n2"}},
		{name: "a zombie behind the cut", want: Violation, measure: "10.1s", twist: zombie(36 * second), says: "alive at the same time for 10.1s",
			shows: []string{"incarnation 2 (pod driver-d2) is alive on n2", "incarnation 1 (pod driver-d1) was alive until now, on n1"}},
		{name: "hit while it initialised", want: Pass, measure: "0s", twist: func(s *historytest.Story) {
			first := &s.Drivers[0]
			first.Running, first.Started, first.Silent, first.FirstTask, first.Executors = 0, 0, 0, 0, nil
		}},
		{name: "an overlap that is allowed", want: Pass, measure: "11.6s", args: args{"overlap": "12s"}, twist: zombie(36 * second)},
		{name: "more than is allowed", want: Violation, args: args{"overlap": "9.9s"}, twist: zombie(36 * second)},
		{name: "known from the disk alone", want: Violation, measure: "9.6s", twist: func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				for at := 26 * second; at <= 35*second+second/2; at += second / 10 {
					b.Witness(52*second, at, history.WitnessRecord{
						Type: history.Heartbeat, Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", Incarnation: "d1", Via: "disk",
					})
				}
			}
		}},
		{name: "frozen while the other lived", want: Pass, measure: "0s", twist: func(s *historytest.Story) {
			s.FaultKind, s.Recovered = "nodeFreeze", 45*second
			s.Extra = func(b *historytest.Builder) {
				b.Beats(45*second, 46*second, history.WitnessRecord{Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", Incarnation: "d1"})
			}
		}},
		{name: "a pause that no fault explains is part of a life", want: Violation, measure: "18.6s", twist: func(s *historytest.Story) {
			s.FaultKind = "nodeIsolate"
			s.Extra = func(b *historytest.Builder) {
				b.Beats(45*second, 46*second, history.WitnessRecord{Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", Incarnation: "d1"})
			}
		}},
		{name: "frozen and thawed before the other ended", want: Violation, measure: "600ms", twist: func(s *historytest.Story) {
			s.FaultKind = "nodeFreeze"
			s.Extra = func(b *historytest.Builder) {
				b.Beats(44*second, 46*second, history.WitnessRecord{Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", Incarnation: "d1"})
			}
		}},
		{name: "thawed long before it reported again", want: Inconclusive, twist: func(s *historytest.Story) {
			s.FaultKind = "nodeFreeze"
			s.Extra = func(b *historytest.Builder) {
				b.Beats(45*second, 46*second, history.WitnessRecord{Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", Incarnation: "d1"})
			}
		}},
		{name: "frozen for a second of a long pause", want: Inconclusive, twist: func(s *historytest.Story) {
			s.FaultKind, s.Began, s.Landed, s.Recovered = "nodeFreeze", 28*second, 28100*time.Millisecond, 29*second
			s.Extra = func(b *historytest.Builder) {
				b.Beats(45*second, 46*second, history.WitnessRecord{Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", Incarnation: "d1"})
			}
		}},
		{name: "a driver that only the witness knows", want: Inconclusive, says: "alive at the same time", twist: func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				b.Beats(30*second, 31*second, history.WitnessRecord{Role: "driver", PodUID: "d3", PodName: "ghost", Node: "n3", Incarnation: "d3"})
			}
		}},
		{name: "its pod was seen, and is another Job's", want: Pass, twist: func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				b.Pod(29*second, history.Added, historytest.Pod{UID: "d3", Name: "ghost", Namespace: historytest.Namespace, OwnerKind: "Job",
					Owner: "another", Node: "n3", Phase: "Running"})
				b.Beats(30*second, 31*second, history.WitnessRecord{Role: "driver", PodUID: "d3", PodName: "ghost", Node: "n3", Incarnation: "d3"})
			}
		}},
		{name: "the baseline's driver does not count", want: Pass, twist: func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				b.Witness(52*second, 100*1e6, history.WitnessRecord{Type: history.Heartbeat, Role: "driver", PodUID: "old", PodName: "old",
					Node: "n3", Via: "disk"})
			}
		}},
		{name: "the dead node's disk was not read", want: Inconclusive, twist: unreadDisk, says: "n1"},
		{name: "no disk was read", want: Inconclusive, twist: func(s *historytest.Story) { s.Collected = nil }},
		{name: "the disk was not read, but an overlap is proven", want: Violation, twist: func(s *historytest.Story) {
			unreadDisk(s)
			zombie(36 * second)(s)
		}},
		{name: "a driver that never reported", want: Inconclusive, says: "driver-d1",
			twist: func(s *historytest.Story) { s.Drivers[0].Started = 0 }},
		{name: "the nodes' clocks were asked and agree", want: Pass, measure: "0s",
			twist: clocks(map[string]time.Duration{"n1": 900 * time.Millisecond, "n2": -50 * time.Millisecond}, 0)},
		{name: "clocks that are wrong are corrected", want: Pass, measure: "0s",
			twist: clocks(map[string]time.Duration{"n1": 20 * second, "n2": -20 * second}, 0)},
		{name: "wrong clocks hide no overlap", want: Violation, measure: "2.1s",
			twist: both(zombie(28*second), clocks(map[string]time.Duration{"n1": -10 * second, "n2": 10 * second}, 0))},
		{name: "clocks that nobody knows well", want: Inconclusive, says: "that of node n2 is uncertain by 1.2s",
			twist: clocks(map[string]time.Duration{"n1": 0, "n2": 0}, 1200*time.Millisecond)},
		{name: "an overlap that the clocks' uncertainty may have made", want: Inconclusive, says: "not known well enough",
			twist: both(zombie(26400*time.Millisecond), clocks(map[string]time.Duration{"n1": 0, "n2": 0}, 300*time.Millisecond))},
		{name: "an overlap that it may have hidden", want: Inconclusive, says: "not known well enough",
			twist: both(zombie(24*second), clocks(map[string]time.Duration{"n1": 0, "n2": 0}, 300*time.Millisecond))},
		{name: "an overlap that it cannot have made", want: Violation,
			twist: both(zombie(36*second), clocks(map[string]time.Duration{"n1": 0, "n2": 0}, 900*time.Millisecond))},
		{name: "a clock was not asked", want: Inconclusive, says: "not n1", twist: clocks(map[string]time.Duration{"n2": 0}, 0)},
		{name: "a new driver whose container had started and that had not reported yet", want: Inconclusive, says: "had not reported yet",
			twist: zombie(25 * second)},
		{name: "a clock that is wrong", want: Inconclusive, says: "clocks", twist: func(s *historytest.Story) {
			s.FaultKind, s.Drivers[0].Started = "nodeTaint", 0
			s.Extra = func(b *historytest.Builder) {
				for at := 3 * second; at <= 10*second; at += second / 10 {
					b.Witness(at, at+20*second, history.WitnessRecord{Type: history.Heartbeat, Role: "driver", PodUID: "d1", PodName: "driver-d1",
						Node: "n1", Incarnation: "d1"})
				}
			}
		}},
		{name: "a clock that was put back hides no overlap", want: Violation, measure: "9.6s", twist: skewedDriver(-30*second, "http")},
		{name: "a clock that was put ahead makes none", want: Pass, measure: "0s", twist: func(s *historytest.Story) {
			s.FaultKind, s.Drivers[0].Silent = "nodeTaint", 20*second
			s.Drivers[0].Finished, s.Drivers[0].Deleted = 24*second, 25*second
			s.Extra = func(b *historytest.Builder) {
				skewClock(b)
				tellWrongly(b, 20*second+second/10, 24*second, 30*second, "http")
			}
		}},
		{name: "records of a wrong clock that nobody saw arrive", want: Inconclusive, says: "no process whose clock a fault put wrong",
			twist: skewedDriver(-30*second, "disk")},
		{name: "hit and never replaced", want: Inconclusive, says: "only one", twist: withoutReplacement},
		{name: "never hit", want: Pass, twist: func(s *historytest.Story) {
			withoutFault(s)
			withoutReplacement(s)
		}},
		{name: "no driver", want: Inconclusive, twist: func(s *historytest.Story) { s.Drivers = nil }},
		{name: "pods unseen for a while", want: Inconclusive, twist: podGap},
	})
}

// clocks says by how much the nodes' clocks are ahead, and how well that is known.
func clocks(ahead map[string]time.Duration, uncertainty time.Duration) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Clocks = []history.ClockOffset{}
		for _, node := range slices.Sorted(maps.Keys(ahead)) {
			s.Clocks = append(s.Clocks, history.ClockOffset{Node: node, Offset: ahead[node], Uncertainty: uncertainty})
		}
	}
}

// skewClock puts the first driver's clock wrong.
func skewClock(b *historytest.Builder) {
	b.Fault(20*second, history.FaultInjecting, history.FaultData{Fault: "skew", Kind: "clockSkew", Targets: []history.Object{podTarget("d1")}})
}

// tellWrongly lets the first driver tell a time that is wrong by an offset.
func tellWrongly(b *historytest.Builder, from, to, offset time.Duration, via string) {
	for at := from; at <= to; at += second / 10 {
		b.Witness(at, at+offset, history.WitnessRecord{
			Type: history.Heartbeat, Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", Incarnation: "d1", Via: via,
		})
	}
}

// skewedDriver lets the first driver live on beside the second one, with a wrong clock.
func skewedDriver(offset time.Duration, via string) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.FaultKind = "nodeTaint"
		s.Drivers[0].Finished, s.Drivers[0].Deleted = 12*second, 13*second
		s.Extra = func(b *historytest.Builder) {
			skewClock(b)
			tellWrongly(b, 26*second, 35*second+second/2, offset, via)
		}
	}
}

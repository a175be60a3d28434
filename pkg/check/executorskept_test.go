package check

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// removes lets a driver remove an executor.
func removes(driver, id string, at time.Duration) func(*historytest.Story) {
	return func(s *historytest.Story) {
		s.Extra = func(b *historytest.Builder) {
			b.Witness(at+time.Millisecond, at, history.WitnessRecord{
				Type: history.ExecutorRemoved, Role: "driver", PodUID: driver, PodName: "driver-" + driver, Incarnation: driver, ExecutorID: id,
				Detail: map[string]string{"reason": "the executor's pod was deleted"},
			})
		}
	}
}

// deletedBefore marks the second driver's executors for deletion at one time and lets the driver begin to end at another.
func deletedBefore(deletion, end time.Duration) func(*historytest.Story) {
	return func(s *historytest.Story) {
		for i := range s.Drivers[1].Executors {
			e := &s.Drivers[1].Executors[i]
			e.Terminating, e.Finished, e.Deleted = deletion, deletion+second, 0
		}
		s.Extra = func(b *historytest.Builder) {
			say(b, end, "d2", history.DriverStopping, nil, map[string]string{"cause": "pluginShutdown"})
		}
	}
}

// sameApplication gives both incarnations one application id.
func sameApplication(s *historytest.Story) { s.Drivers[1].Application = s.Drivers[0].Application }

func TestExecutorsKept(t *testing.T) {
	t.Parallel()
	runInvariant(t, "executorsKept", args{}, []invariantCase{
		{name: "all", want: Pass, measure: "2 executors kept", shows: []string{"incarnation 2 (pod driver-d2) registers executor 1"}},
		{name: "one is removed when the old one of its number ends", want: Violation, measure: "executor 1 lost",
			says:  "the end of pod driver-d1-exec-1",
			twist: both(removes("d2", "1", 31*second), sameApplication),
			shows: []string{"pod driver-d1-exec-1, executor 1 of incarnation 1", "removes executor 1, which no fault hit"}},
		{name: "one is removed before", want: Inconclusive, says: "nothing shows that another incarnation",
			twist: both(removes("d2", "2", 29900*time.Millisecond), sameApplication)},
		{name: "one is removed after an old one of another application ended", want: Inconclusive,
			says: "nothing shows that another incarnation", twist: removes("d2", "1", 31*second)},
		{name: "one fails by itself", want: Inconclusive, says: "executor 2 was lost, which no fault hit",
			twist: both(removes("d2", "2", 40*second), func(s *historytest.Story) {
				s.Drivers[1].Executors[1].Silent, s.Drivers[1].Executors[1].Finished = 39*second, 39500*time.Millisecond
			})},
		{name: "one is lost beside a fault that takes nothing away", want: Inconclusive, says: "which need not have cost it",
			twist: both(removes("d2", "2", 40*second), adding(func(b *historytest.Builder) {
				began := historytest.Epoch().Add(32 * second)
				b.Fault(32*second, history.FaultLanded,
					history.FaultData{Fault: "slow", Kind: "networkDelay", Targets: []history.Object{nodeTarget("n3")}, Began: &began})
			}))},
		{name: "its object is gone while the old driver lives, and its driver removes it then", want: Violation,
			says: "its pod was deleted while incarnation 1", twist: both(zombie(48*second), func(s *historytest.Story) {
				e := &s.Drivers[1].Executors[1]
				e.Silent, e.Finished, e.Deleted = 40*second, 0, 40*second
			}, adding(func(b *historytest.Builder) {
				b.Witness(41*second, 41*second, history.WitnessRecord{Type: history.ExecutorRemoved, Role: "driver", PodUID: "d2",
					PodName: "driver-d2", Incarnation: "d2", ExecutorID: "2"})
			}))},
		{name: "the replaced driver's do not count", want: Pass, twist: removes("d1", "1", 20*second)},
		{name: "hit by a fault", want: Pass, measure: "1 executor kept",
			twist: both(removes("d2", "2", 36*second), func(s *historytest.Story) {
				tell := s.Extra
				s.Extra = func(b *historytest.Builder) { tell(b); secondFault(32*second, "n3")(b) }
			})},
		{name: "removed after a fault hit the driver, too", want: Pass, twist: both(removes("d2", "2", 36*second), func(s *historytest.Story) {
			tell := s.Extra
			s.Extra = func(b *historytest.Builder) { tell(b); secondFault(32*second, "n2")(b) }
		})},
		{name: "its object is gone while the old driver lives", want: Violation, says: "its pod was deleted while incarnation 1",
			twist: both(zombie(48*second), func(s *historytest.Story) {
				e := &s.Drivers[1].Executors[1]
				e.Silent, e.Finished, e.Deleted = 40*second, 0, 40*second
			})},
		{name: "its object is gone, and the old driver is dead", want: Pass, twist: func(s *historytest.Story) {
			e := &s.Drivers[1].Executors[1]
			e.Silent, e.Finished, e.Deleted = 44400*time.Millisecond, 0, 44700*time.Millisecond
		}},
		{name: "removed as the driver ends", want: Pass, twist: both(removes("d2", "2", 44*second), func(s *historytest.Story) {
			tell := s.Extra
			s.Extra = func(b *historytest.Builder) {
				tell(b)
				say(b, 43900*time.Millisecond, "d2", history.DriverStopping, nil, map[string]string{"cause": "pluginShutdown"})
			}
		})},
		{name: "removed as the application ends, which the driver tells later", want: Pass,
			twist: both(removes("d2", "2", 44*second), func(s *historytest.Story) {
				tell := s.Extra
				s.Extra = func(b *historytest.Builder) {
					tell(b)
					say(b, 43900*time.Millisecond, "d2", history.ApplicationEnded, nil, nil)
					say(b, 44200*time.Millisecond, "d2", history.DriverStopping, nil, map[string]string{"cause": "pluginShutdown"})
				}
			})},
		{name: "all are deleted by nobody knows whom", want: Inconclusive, twist: deletedBefore(40*second, 41*second)},
		{name: "all are deleted, and the driver ends before it removes any", want: Violation, measure: "executor 1 lost",
			says:  "its pod was deleted while incarnation 1 (pod driver-d1) was alive",
			twist: both(deletedBefore(40*second, 41*second), zombie(39*second)),
			shows: []string{"pod driver-d2-exec-1 of incarnation 2 (pod driver-d2) is marked for deletion"}},
		{name: "all are deleted as the driver ends", want: Pass, twist: deletedBefore(42*second, 41*second)},
		{name: "driver not replaced", want: Inconclusive, says: "none could be taken", twist: withoutReplacement},
		{name: "no executors", want: Inconclusive, twist: func(s *historytest.Story) { s.Drivers[1].Executors = nil }},
		{name: "the dead node's disk was not read", want: Inconclusive, twist: unreadDisk},
		{name: "pods unseen for a while", want: Inconclusive, twist: podGap},
	})
}

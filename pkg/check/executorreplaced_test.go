package check

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// executorLost hits node n3 with executor 2 instead; the first driver lives to the end. A third executor registers
// at a time; zero: none does.
func executorLost(replaced time.Duration) func(*historytest.Story) {
	return func(s *historytest.Story) {
		withoutReplacement(s)
		s.Targets, s.NotReady = []history.Object{{Kind: "Node", Name: "n3"}}, 0
		d := &s.Drivers[0]
		d.Silent, d.Terminating, d.Finished, d.Deleted = 50*second, 0, 0, 0
		d.Executors[0].Silent, d.Executors[0].Finished, d.Executors[0].Deleted = 50*second, 0, 0
		d.Executors[1].Silent, d.Executors[1].Finished, d.Executors[1].Deleted = 10*second, 0, 42*second
		if replaced > 0 {
			d.Executors = append(d.Executors,
				historytest.Executor{UID: "e9", ID: "3", Node: "n2", Created: replaced - 3*second, Registered: replaced, Silent: 50 * second})
		}
	}
}

func TestExecutorReplaced(t *testing.T) {
	t.Parallel()
	runInvariant(t, "executorReplaced", args{"within": "20s"}, []invariantCase{
		{name: "in time", want: Pass, measure: "15s", twist: executorLost(25 * second),
			shows: []string{"costs incarnation 1 (pod driver-d1) 1 executor", "registered again"}},
		{name: "late", want: Violation, measure: "35s", says: "were replaced after 35s, later than 20s", twist: executorLost(45 * second),
			shows: []string{"is gone for the API server"}},
		{name: "never", want: Violation, measure: "never", says: "not all were replaced in 40s", twist: executorLost(0)},
		{name: "a pod alone is no executor", want: Violation, measure: "never", twist: both(executorLost(25*second), func(s *historytest.Story) {
			s.Drivers[0].Executors[2].Registered = 0
		})},
		{name: "registered before the fault", want: Violation, twist: executorLost(9 * second)},
		{name: "the driver ended before the bound", want: Inconclusive, says: "before the bound", args: args{"within": "60s"},
			twist: executorLost(0)},
		{name: "a killed pod", want: Pass, measure: "15s", twist: both(executorLost(25*second), func(s *historytest.Story) {
			s.FaultKind, s.Targets = "podKill", []history.Object{{Kind: "Pod", Name: "driver-d1-exec-2", UID: "e2"}}
			s.Drivers[0].Executors[1].Deleted = 11 * second
		})},
		{name: "a second fault on the dead node hits nobody", want: Pass, measure: "15s",
			twist: both(executorLost(25*second), func(s *historytest.Story) {
				s.Extra = secondFault(35*second, "n3")
			})},
		{name: "the driver never reported", want: Inconclusive, says: "never reported",
			twist: both(executorLost(25*second), func(s *historytest.Story) { s.Drivers[0].Started = 0 })},
		{name: "the driver was hit", want: Inconclusive, says: "nothing to replace"},
		{name: "no fault", want: Inconclusive, twist: both(executorLost(25*second), withoutFault)},
		{name: "fault did not land", want: Inconclusive,
			twist: both(executorLost(25*second), func(s *historytest.Story) { s.NotLanded = "the node answers" })},
		{name: "the driver's disk was not read", want: Inconclusive, twist: both(executorLost(25*second), unreadDisk)},
		{name: "nobody executed there", want: Inconclusive,
			twist: both(executorLost(0), func(s *historytest.Story) { s.Drivers[0].Executors = s.Drivers[0].Executors[:1] })},
	})
}

// secondFault lands on a node as another fault does.
func secondFault(at time.Duration, node string) func(*historytest.Builder) {
	return func(b *historytest.Builder) {
		began := historytest.Epoch().Add(at)
		b.Fault(at, history.FaultLanded, history.FaultData{
			Fault: "again", Kind: "nodeOutOfService", Targets: []history.Object{{Kind: "Node", Name: node}}, Began: &began,
		})
	}
}

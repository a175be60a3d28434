package check

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// executorKilled tells a story in which executor 2 of the first driver is killed and replaced; nothing else happens.
func executorKilled(s *historytest.Story) {
	s.FaultKind, s.Targets, s.NotReady = "podKill", []history.Object{{Kind: "Pod", Name: "driver-d1-exec-2", UID: "e2"}}, 0
	d := &s.Drivers[0]
	d.Silent, d.Terminating, d.Finished, d.Deleted = 44*second, 0, 45*second, 0
	d.Executors[1].Silent, d.Executors[1].Finished, d.Executors[1].Deleted = 10*second, 11*second, 12*second
	d.Executors = append(d.Executors, historytest.Executor{UID: "e5", ID: "3", Node: "n3", Created: 13 * second, Registered: 16 * second,
		Silent: 44 * second, Finished: 45 * second})
	s.Drivers = s.Drivers[:1]
	s.Extra = func(b *historytest.Builder) {
		driver := history.WitnessRecord{Role: "driver", PodUID: "d1", PodName: "driver-d1", Node: "n1", Incarnation: "d1"}
		driver.Type, driver.ExecutorID = history.ExecutorRemoved, "2"
		b.Witness(11500*time.Millisecond, 11500*time.Millisecond, driver)
		driver.Type, driver.ExecutorID = history.TaskEnded, "3"
		b.Witness(17*second, 17*second, driver)
		driver.Detail = map[string]string{"reason": "ExecutorLostFailure"}
		b.Witness(16500*time.Millisecond, 16500*time.Millisecond, driver)
	}
}

func TestRecoveryWithin(t *testing.T) {
	t.Parallel()
	runInvariant(t, "recoveryWithin", args{"total": "1h"}, []invariantCase{
		{name: "no bound", args: args{}, want: Inconclusive, says: "it could never be violated"},
		{name: "one bound", want: Pass, measure: "21s"},
		{name: "each within its bound", want: Pass, args: args{
			"detection": "4s", "eviction": "1500ms", "rescheduling": "9s", "driverStart": "1500ms", "executorsBack": "3500ms",
			"firstProgress": "5s", "total": "21s",
		}},
		{name: "detection late", args: args{"detection": "3s"}, want: Violation, measure: "detection 4s"},
		{name: "eviction late", args: args{"eviction": "1s"}, want: Violation, measure: "eviction 1.5s"},
		{name: "rescheduling late", args: args{"rescheduling": "8s"}, want: Violation, measure: "rescheduling 9s"},
		{name: "driver start late", args: args{"driverStart": "1s"}, want: Violation, measure: "driver start 1.5s"},
		{name: "executors back late", args: args{"executorsBack": "3s"}, want: Violation, measure: "executors back 3.5s"},
		{name: "first progress late", args: args{"firstProgress": "4s"}, want: Violation, measure: "first progress 5s",
			shows: []string{"Spark has started in pod driver-d2"}},
		{name: "total late", args: args{"total": "20s"}, want: Violation, measure: "total 21s", shows: []string{"begins to act"}},
		{name: "one executor never came back", args: args{"executorsBack": "10s"}, want: Violation, measure: "executors back never",
			twist: func(s *historytest.Story) {
				s.Drivers[1].Executors = s.Drivers[1].Executors[:1]
			}},
		{name: "one executor never came back, no bound", want: Inconclusive, says: "executors back was not seen to end",
			twist: func(s *historytest.Story) {
				s.Drivers[1].Executors = s.Drivers[1].Executors[:1]
			}},
		{name: "no progress before the record ends", args: args{"firstProgress": "10m"}, want: Inconclusive,
			twist: func(s *historytest.Story) { s.Drivers[1].FirstTask = 0 }},
		{name: "never complete", args: args{"total": "30s"}, want: Violation, measure: "total never", twist: withoutReplacement},
		{name: "nothing was seen any more, from before the bound", args: args{"total": "30s"}, want: Inconclusive,
			twist: both(withoutReplacement, blindSince(20*second))},
		{name: "a driver that never reported is replaced", want: Inconclusive, twist: func(s *historytest.Story) { s.Drivers[0].Started = 0 }},
		{name: "no fault", want: Inconclusive, twist: withoutFault},
		{name: "a fault that hit nothing of the application", want: Inconclusive, says: "nothing to recover from",
			twist: func(s *historytest.Story) {
				s.Targets = []history.Object{{Kind: "Node", Name: "n9"}}
			}},
		{name: "an executor killed", want: Pass, measure: "7s", twist: executorKilled},
		{name: "an executor killed, back too late", args: args{"executorsBack": "4s"}, want: Violation, measure: "executors back 4.5s",
			twist: executorKilled},
	})
}

func TestTheLongestRecoveryThatIsAllowed(t *testing.T) {
	t.Parallel()
	s := scenario.Duration(time.Second)
	each := RecoveryArgs{Detection: s, Eviction: 2 * s, Rescheduling: 4 * s, DriverStart: 8 * s, ExecutorsBack: 16 * s, FirstProgress: 32 * s}
	total := each
	total.Total = 100 * s
	for name, tt := range map[string]struct {
		bounds RecoveryArgs
		want   time.Duration
	}{"each phase": {each, 63 * second}, "a total above them": {total, 100 * second}} {
		if got := tt.bounds.longest(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestRecoveryPhases(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		twist func(*historytest.Story)
		want  []Phase
	}{
		{"driver's node lost", nil, []Phase{
			{Name: "detection", Duration: 4 * second},
			{Name: "eviction", Duration: 1500 * time.Millisecond},
			{Name: "rescheduling", Duration: 9 * second},
			{Name: "driver start", Duration: 1500 * time.Millisecond},
			{Name: "executors back", Duration: 3500 * time.Millisecond},
			{Name: "first progress", Duration: 5 * second},
		}},
		{"Spark reports the application's start before its plugins have its id", func(s *historytest.Story) {
			s.Extra = func(b *historytest.Builder) {
				d2 := history.WitnessRecord{Role: "driver", PodUID: "d2", PodName: "driver-d2", Node: "n2", Incarnation: "d2"}
				d2.Type = history.ApplicationStarted
				b.Witness(25*second, 25*second, d2)
			}
		}, []Phase{
			{Name: "detection", Duration: 4 * second},
			{Name: "eviction", Duration: 1500 * time.Millisecond},
			{Name: "rescheduling", Duration: 9 * second},
			{Name: "driver start", Duration: 500 * time.Millisecond},
			{Name: "executors back", Duration: 4500 * time.Millisecond},
			{Name: "first progress", Duration: 6 * second},
		}},
		{"executor killed", executorKilled, []Phase{
			{Name: "detection", Duration: 1500 * time.Millisecond},
			{Name: "executors back", Duration: 4500 * time.Millisecond},
			{Name: "first progress", Duration: second},
		}},
		{"executor's node lost", func(s *historytest.Story) {
			executorKilled(s)
			s.FaultKind, s.Targets, s.NotReady = "nodePowerOff", []history.Object{{Kind: "Node", Name: "n3"}}, 0
			extra := s.Extra
			s.Extra = func(b *historytest.Builder) {
				extra(b)
				b.Node(10500*time.Millisecond, history.Modified, "n3", "Unknown")
			}
		}, []Phase{
			{Name: "detection", Duration: 500 * time.Millisecond},
			{Name: "eviction", Duration: 500 * time.Millisecond},
			{Name: "executors back", Duration: 5 * second},
			{Name: "first progress", Duration: second},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			story := historytest.PowerOff(historytest.Expect("recoveryWithin", args{"total": "1h"}))
			if tt.twist != nil {
				tt.twist(story)
			}
			v, events := judgeStory(t, story)
			got := v.Results[0].Phases
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Phase{}, "Fault", "From", "To")); diff != "" {
				t.Errorf("phases (-want +got):\n%s", diff)
			}
			for _, p := range got {
				if p.Fault != historytest.FaultName || p.From < 1 || p.To < 1 || p.To > int64(len(events)) {
					t.Errorf("phase %s of fault %q lies between the events %d and %d", p.Name, p.Fault, p.From, p.To)
				}
			}
		})
	}
}

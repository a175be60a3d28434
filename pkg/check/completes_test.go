package check

import (
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestCompletes(t *testing.T) {
	t.Parallel()
	failed := func(s *historytest.Story) {
		s.Completed = 0
		s.Extra = func(b *historytest.Builder) {
			b.Job(30*second, history.Modified, historytest.Namespace, historytest.JobUID, "FailureTarget", "Failed")
		}
	}
	runInvariant(t, "completes", args{"within": "50s"}, []invariantCase{
		{name: "in time", want: Pass, measure: "44.5s"},
		{name: "late", args: args{"within": "44s"}, want: Violation, says: "longer than 44s"},
		{name: "failed", want: Violation, measure: "failed", says: "Because", twist: failed},
		{name: "never", want: Violation, measure: "never", twist: func(s *historytest.Story) { s.Completed = 0 }},
		{name: "not yet", args: args{"within": "10m"}, want: Inconclusive, twist: func(s *historytest.Story) { s.Completed = 0 }},
		{name: "nothing was seen any more, from before the bound", want: Inconclusive,
			twist: both(func(s *historytest.Story) { s.Completed = 0 }, blindSince(30*second))},
		{name: "late, while nothing was seen of Jobs", args: args{"within": "44s"}, want: Inconclusive,
			says: "nothing was seen at the time when it was decided", twist: adding(func(b *historytest.Builder) {
				b.Add(44900*time.Millisecond, history.Kubernetes, history.Gap, &history.Object{Kind: "Job"},
					history.GapData{Reason: "expired", For: 10 * second})
			})},
		{name: "complete, after it had failed", want: Inconclusive, says: "excludes each other", twist: adding(func(b *historytest.Builder) {
			b.Job(40*second, history.Modified, historytest.Namespace, historytest.JobUID, "Failed")
		})},
		{name: "another Job", want: Violation, twist: func(s *historytest.Story) {
			s.Completed = 0
			s.Extra = func(b *historytest.Builder) {
				b.Job(30*second, history.Modified, historytest.Namespace, "other", "Complete")
			}
		}},
		{name: "kept open by a pod that never goes", want: Violation, says: "pod driver-d1 on node n1 is still being deleted",
			twist: func(s *historytest.Story) {
				s.Drivers[0].Finished, s.Drivers[0].Deleted, s.Completed = 0, 0, 0
			}},
		{name: "no driver that could have completed", want: Inconclusive, says: "none is known that did", twist: func(s *historytest.Story) {
			s.Drivers = nil
		}},
	})
	judgeNothingLaunched(t)
}

// judgeNothingLaunched judges a run that ended before its workload was launched.
func judgeNothingLaunched(t *testing.T) {
	t.Helper()
	b := historytest.New()
	run, err := historytest.RunData(historytest.Expect("completes", args{"within": "50s"}))
	if err != nil {
		t.Fatal(err)
	}
	b.Harness(0, history.RunStarted, run)
	b.Harness(40*second, history.RunEnded, history.RunEndData{})
	content, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if got := judgeBytes(t, content).Results[0]; got.Verdict != Inconclusive || got.Message != "the workload was never launched" {
		t.Errorf("%s, %q", got.Verdict, got.Message)
	}
}

func TestCompletesBarePod(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		phase string
		want  Verdict
	}{{"Succeeded", Pass}, {"Failed", Violation}, {"Running", Inconclusive}} {
		t.Run(tt.phase, func(t *testing.T) {
			t.Parallel()
			b := historytest.New()
			run, err := historytest.RunData(historytest.Expect("completes", args{"within": "50s"}))
			if err != nil {
				t.Fatal(err)
			}
			b.Harness(0, history.RunStarted, run)
			b.Harness(second, history.WorkloadLaunched,
				history.WorkloadData{Namespace: "ns", DriverKind: "Pod", DriverName: "driver", DriverUID: "d1"})
			b.Pod(2*second, history.Added, historytest.Pod{UID: "d1", Name: "driver", Namespace: "ns", Node: "n1", Phase: "Running"})
			b.Pod(30*second, history.Modified, historytest.Pod{UID: "d1", Name: "driver", Namespace: "ns", Node: "n1", Phase: tt.phase})
			task := history.WitnessRecord{Type: history.TaskEnded, Role: "driver", PodUID: "d1", PodName: "driver", Node: "n1", Incarnation: "d1",
				Detail: map[string]string{"reason": "Success"}}
			b.Witness(20*second, 20*second, task)
			b.Harness(40*second, history.RunEnded, history.RunEndData{})
			content, err := b.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if got := judgeBytes(t, content).Results[0]; got.Verdict != tt.want {
				t.Errorf("%s, want %s: %s", got.Verdict, tt.want, got.Message)
			}
		})
	}
}

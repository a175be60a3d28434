package check

import (
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// watching is the story of an application that somebody else starts and that is watched while it loses a driver.
func watching(invariant string, arguments any) *historytest.Story {
	story := historytest.PowerOff(map[string]any{
		"workload": map[string]any{"launcher": "attach", "witness": "off"},
		"expect":   []any{map[string]any{invariant: arguments}},
	})
	story.Began, story.Baseline, story.Collected, story.CleanUp, story.Leftovers = 0, nil, nil, 0, nil
	for i := range story.Drivers { // it has no witness
		d := &story.Drivers[i]
		d.Started, d.FirstTask, d.Commits = 0, 0, nil
		for j := range d.Executors {
			d.Executors[j].Silent = 0
		}
	}
	return story
}

func TestAnApplicationThatIsWatched(t *testing.T) {
	t.Parallel()
	within := func(bound string) args { return args{"within": bound} }
	onlyFirst := func(s *historytest.Story) { s.Drivers, s.Completed = s.Drivers[:1], 0 }
	kept := func(s *historytest.Story) {
		onlyFirst(s)
		s.Drivers[0].Terminating, s.Drivers[0].Finished, s.Drivers[0].Deleted = 0, 0, 0
	}
	for name, c := range map[string]struct {
		invariant string
		args      args
		twist     func(*historytest.Story)
		want      Verdict
		overall   Verdict
		says      string
	}{
		"a driver is replaced":       {"driverRescheduled", within("20s"), nil, Pass, Pass, "1 driver lost while the application was watched"},
		"too late":                   {"driverRescheduled", within("5s"), nil, Violation, Violation, "later than 5s"},
		"never":                      {"driverRescheduled", within("20s"), onlyFirst, Violation, Violation, "no new incarnation of the driver"},
		"not yet":                    {"driverRescheduled", within("10m"), onlyFirst, Inconclusive, Inconclusive, "before the bound"},
		"no driver is lost":          {"driverRescheduled", within("20s"), kept, Inconclusive, Inconclusive, "no driver was lost"},
		"the driver is kept":         {"driverKept", args{}, kept, Pass, Pass, "the driver was kept while the application was watched"},
		"the driver is not kept":     {"driverKept", args{}, nil, Violation, Violation, "was replaced by"},
		"each driver has its own id": {"applicationIdsUnique", args{}, nil, Pass, Pass, "2 application ids"},
		"the witness would show it": {
			"atMostOneDriver", args{"overlap": "0s"}, nil, Inconclusive, Inconclusive,
			"an application that somebody else starts runs without the witness (launcher: attach)",
		},
		"somebody deletes the Job": {"driverRescheduled", within("20s"), func(s *historytest.Story) {
			onlyFirst(s)
			s.Extra = func(b *historytest.Builder) {
				b.Job(16*time.Second, history.Deleted, historytest.Namespace, historytest.JobUID)
			}
		}, Inconclusive, Inconclusive, "somebody deleted its Job"},
		"the Job gives up": {"driverRescheduled", within("20s"), func(s *historytest.Story) {
			onlyFirst(s)
			s.Extra = func(b *historytest.Builder) {
				b.Job(16*time.Second, history.Modified, historytest.Namespace, historytest.JobUID, "Failed")
			}
		}, Violation, Violation, "its Job failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story := watching(c.invariant, c.args)
			if c.twist != nil {
				c.twist(story)
			}
			v, events := judgeStory(t, story)
			if len(v.Results) != 1 || v.Results[0].Verdict != c.want || v.Verdict != c.overall {
				t.Fatalf("got %s (%s), %+v; want %s, %s", v.Verdict, v.Reason, v.Results, c.overall, c.want)
			}
			checkEvidence(t, v.Results[0], events, nil)
			if got := v.Results[0].Message; !strings.Contains(got, c.says) {
				t.Errorf("it says %q, want %q in it", got, c.says)
			}
		})
	}
}

// A history that grows is judged as if it ended there, and has no end all the same for whoever does not say that it grows.
func TestAHistoryThatGrowsIsJudged(t *testing.T) {
	t.Parallel()
	story := watching("driverRescheduled", args{"within": "5s"})
	story.Ended = 0
	_, events := judgeStory(t, story)
	for open, want := range map[bool]Verdict{true: Violation, false: Inconclusive} {
		evaluation, err := NewEvaluation()
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			evaluation.Observe(&events[i])
		}
		if got := evaluation.Verdict(Record{Open: open}); got.Verdict != want {
			t.Errorf("open %v: %s (%s), want %s", open, got.Verdict, got.Reason, want)
		}
	}
}

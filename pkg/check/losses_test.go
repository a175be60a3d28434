package check

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// team is a driver with executors, as a model knows them.
type team struct {
	*model.Model
	driver *model.Incarnation
}

// newTeam returns a driver on n1 that runs since 1 s, and reports until 60 s.
func newTeam() team {
	m := model.New()
	m.Workload = history.WorkloadData{Namespace: "ns", DriverKind: "Job", DriverUID: "j"}
	m.Ended = ms(60_000)
	d := driverAt(m, 1, "n1", 1_000)
	d.Pod.Namespace, d.Pod.Owner = "ns", history.Object{Kind: "Job", UID: "j"}
	d.Driver = &model.Process{PodUID: d.UID, Node: "n1", Role: model.RoleDriver, Executors: map[string]*model.Registered{}}
	d.Driver.Alive = model.Spans{{From: ms(1_500), To: ms(60_000)}}
	m.Processes[d.UID] = d.Driver
	return team{m, d}
}

func TestWhatTheNextFaultCutsShort(t *testing.T) {
	t.Parallel()
	steps := func() []step {
		return []step{
			{name: "ended before", from: ms(10_000), to: ms(14_999), bound: 9 * second},
			{name: "ended just then", from: ms(10_000), to: ms(15_000), bound: 9 * second},
			{name: "ended after", from: ms(10_000), to: ms(15_001), bound: 9 * second},
			{name: "never", from: ms(10_000), bound: 9 * second},
			{name: "late already", from: ms(10_000), to: ms(17_000), bound: 4999 * time.Millisecond},
			{name: "not yet late", from: ms(10_000), to: ms(17_000), bound: 5 * second},
			{name: "without a bound", from: ms(10_000), to: ms(17_000)},
			{name: "never begun", bound: second},
		}
	}
	want := []string{"ended after", "never", "not yet late", "without a bound", "never begun"}
	harmless := landedFault("cpuStress", "n1", 15_000, 0)
	for name, c := range map[string]struct {
		other          model.Interference
		cut, disturbed []string
	}{
		"no fault":          {},
		"one that cost":     {other: model.Interference{Cut: ms(15_000).At}, cut: want},
		"one that cost not": {other: model.Interference{Disturbed: ms(15_000).At, By: harmless}, disturbed: want},
		"both": {other: model.Interference{Cut: ms(60_000).At, Disturbed: ms(15_000).At, By: harmless},
			cut: []string{"never begun"}, disturbed: want},
	} {
		var cut, disturbed []string
		for _, s := range steps() {
			s.interfere(c.other)
			if s.cut {
				cut = append(cut, s.name)
			}
			if s.disturbed == harmless {
				disturbed = append(disturbed, s.name)
			}
		}
		if diff := gocmp.Diff(c.cut, cut); diff != "" {
			t.Errorf("%s: cut short (-want +got):\n%s", name, diff)
		}
		if diff := gocmp.Diff(c.disturbed, disturbed); diff != "" {
			t.Errorf("%s: disturbed (-want +got):\n%s", name, diff)
		}
	}
}

func TestWorkIsItsOwn(t *testing.T) {
	t.Parallel()
	tm := newTeam()
	if got := work(tm.Model, tm.driver); got != nil {
		t.Errorf("nothing was done, got %v", got)
	}
	tm.Ledger.Commits = map[string][]model.Commit{"k": {{Incarnation: "other", At: ms(5)}},
		"l": {{Incarnation: "other", At: ms(6)}, {Incarnation: tm.driver.UID, At: ms(7)}, {Incarnation: tm.driver.UID, At: ms(8)}}}
	if got := work(tm.Model, tm.driver); len(got) != 1 || got[0] != ms(7) {
		t.Errorf("got %v, want its first commit", got)
	}
	tm.driver.Driver.JobsDone, tm.driver.Driver.FirstProgress = ms(3), ms(2)
	if got := work(tm.Model, tm.driver); len(got) != 3 || got[0] != ms(3) || got[1] != ms(2) {
		t.Errorf("got %v, want a job, progress and a commit", got)
	}
	tm.driver.Driver = nil
	if got := work(tm.Model, tm.driver); len(got) != 1 {
		t.Errorf("got %v, want the commit of a driver that never reported", got)
	}
}

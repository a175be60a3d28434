package check

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// team is a driver with executors, as a model knows them.
type team struct {
	*Model
	driver *Incarnation
}

// newTeam returns a driver on n1 that runs since 1 s, and reports until 60 s.
func newTeam() team {
	m := NewModel()
	m.Workload = history.WorkloadData{Namespace: "ns", DriverKind: "Job", DriverUID: "j"}
	m.Ended = ms(60_000)
	d := driverAt(m, 1, "n1", 1_000)
	d.Pod.Namespace, d.Pod.Owner = "ns", history.Object{Kind: "Job", UID: "j"}
	d.Driver = &Process{PodUID: d.UID, Node: "n1", Role: roleDriver, Executors: map[string]*Registered{}}
	d.Driver.Alive = spans{{ms(1_500), ms(60_000)}}
	m.Processes[d.UID] = d.Driver
	return team{m, d}
}

// executor adds an executor whose pod was made, ran and registered at times; zero: it never did.
func (t team) executor(id, node string, made, ran, registered int64) *Pod {
	pod := &Pod{
		UID: "e" + id, Name: "exec-" + id, Namespace: "ns", Node: node, Owner: history.Object{Kind: "Pod", UID: t.driver.UID}, ExecutorID: id, Application: "app",
		Added: ms(made), Placed: ms(made + 1),
	}
	if ran > 0 {
		pod.Running = ms(ran)
	}
	t.Pods[pod.UID] = pod
	e := t.driver.Driver.executor(id)
	if registered > 0 {
		e.At = ms(registered)
	}
	return pod
}

func (t team) fault(name, kind, node string, from, to int64) *Fault {
	f := landedFault(kind, node, from, to)
	f.Name = name
	t.Faults = append(t.Faults, f)
	return f
}

// lossesInWords returns who was lost to which fault, when, and who took the place.
func (t team) lossesInWords() []string {
	var all []string
	for _, l := range t.losses([]*Incarnation{t.driver}) {
		text := fmt.Sprintf("%s to %s at %d", l.pod.UID, l.fault.Name, l.at.Seq)
		if l.replacement != nil {
			text += fmt.Sprintf(", replaced by %s at %d", l.replacement.ID, l.replacement.At.Seq)
		}
		all = append(all, text)
	}
	return all
}

func TestLossesAndReplacements(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tell func(team)
		want []string
	}{
		"nothing is lost": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.fault("f", "nodePowerOff", "n3", 10_000, 0)
		}, nil},
		"one": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, []string{"e1 to f at 10000"}},
		"one, and another one for it": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.executor("2", "n3", 11_000, 12_000, 13_000)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, []string{"e1 to f at 10000, replaced by 2 at 13000"}},
		"one that was asked for before": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.executor("2", "n3", 9_999, 12_000, 13_000)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, []string{"e1 to f at 10000"}},
		"one that never registered": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.executor("2", "n3", 11_000, 12_000, 0)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, []string{"e1 to f at 10000"}},
		"one that has no pod": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.driver.Driver.executor("2").At = ms(13_000)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, []string{"e1 to f at 10000"}},
		"two for two, in the order of the losses": {func(t team) {
			t.executor("2", "n2", 2_000, 3_000, 4_000)
			t.executor("1", "n3", 2_000, 3_000, 4_000)
			t.executor("3", "n4", 11_000, 12_000, 13_000)
			t.executor("4", "n4", 16_000, 17_000, 18_000)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
			t.fault("g", "nodePowerOff", "n3", 15_000, 0)
		}, []string{"e2 to f at 10000, replaced by 3 at 13000", "e1 to g at 15000, replaced by 4 at 18000"}},
		"one for two": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.executor("2", "n2", 2_000, 3_000, 4_000)
			t.executor("3", "n4", 11_000, 12_000, 13_000)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, []string{"e1 to f at 10000, replaced by 3 at 13000", "e2 to f at 10000"}},
		"it did not run yet": {func(t team) {
			t.executor("1", "n2", 2_000, 10_001, 12_000)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, nil},
		"it never ran": {func(t team) { t.executor("1", "n2", 2_000, 0, 0); t.fault("f", "nodePowerOff", "n2", 10_000, 0) }, nil},
		"nobody wanted it any more": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000).Terminating = ms(9_999)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, nil},
		"it was gone": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000).Deleted = ms(9_999)
			t.fault("f", "nodePowerOff", "n2", 10_000, 0)
		}, nil},
		"the fault cost the driver, too": {func(t team) {
			t.executor("1", "n1", 2_000, 3_000, 4_000)
			t.driver.Driver.Alive = spans{{ms(1_500), ms(10_000)}}
			t.fault("f", "nodePowerOff", "n1", 10_000, 0)
		}, nil},
		"removed by its driver, behind a cut": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.driver.Driver.executor("1").Removed = ms(25_000)
			t.fault("f", "nodeIsolate", "n2", 10_000, 0)
		}, []string{"e1 to f at 25000"}},
		"removed before the pod was to go": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000).Terminating = ms(26_000)
			t.driver.Driver.executor("1").Removed = ms(25_000)
			t.fault("f", "nodeIsolate", "n2", 10_000, 0)
		}, []string{"e1 to f at 25000"}},
		"removed after that": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000).Terminating = ms(24_000)
			t.driver.Driver.executor("1").Removed = ms(25_000)
			t.fault("f", "nodeIsolate", "n2", 10_000, 0)
		}, []string{"e1 to f at 24000"}},
		"removed before the fault": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.driver.Driver.executor("1").Removed = ms(9_999)
			t.fault("f", "nodeIsolate", "n2", 10_000, 0)
		}, nil},
		"removed as the driver ended": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.driver.Driver.executor("1").Removed, t.driver.Driver.Stopping = ms(25_000), ms(24_999)
			t.fault("f", "nodeIsolate", "n2", 10_000, 0)
		}, nil},
		"removed long after a delay": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.driver.Driver.executor("1").Removed = ms(25_001)
			t.fault("f", "networkDelay", "n2", 10_000, 20_000)
		}, nil},
		"removed soon after a delay": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.driver.Driver.executor("1").Removed = ms(25_000)
			t.fault("f", "networkDelay", "n2", 10_000, 20_000)
		}, []string{"e1 to f at 25000"}},
		"removed with a wrong clock": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.driver.Driver.executor("1").Removed = ms(12_000)
			t.fault("f", "clockSkew", "n2", 10_000, 20_000)
		}, nil},
		"removed on a node that was marked": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000)
			t.driver.Driver.executor("1").Removed = ms(12_000)
			t.fault("f", "nodeCordon", "n2", 10_000, 20_000)
		}, nil},
		"the last fault before the loss is to blame": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000).Terminating = ms(15_000)
			t.fault("f", "nodeIsolate", "n2", 10_000, 0)
			t.fault("g", "nodeTaint", "n2", 12_000, 0)
		}, []string{"e1 to g at 15000"}},
		"not one that came after it": {func(t team) {
			t.executor("1", "n2", 2_000, 3_000, 4_000).Terminating = ms(11_000)
			t.fault("f", "nodeIsolate", "n2", 10_000, 0)
			t.fault("g", "nodeTaint", "n2", 12_000, 0)
		}, []string{"e1 to f at 11000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tm := newTeam()
			c.tell(tm)
			if diff := gocmp.Diff(c.want, tm.lossesInWords()); diff != "" {
				t.Errorf("losses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTogether(t *testing.T) {
	t.Parallel()
	one := func(at, removed int64) *loss {
		r := &Registered{At: ms(at)}
		if removed > 0 {
			r.Removed = ms(removed)
		}
		return &loss{replacement: r}
	}
	for name, c := range map[string]struct {
		losses []*loss
		want   int64 // 0: never
	}{
		"one": {[]*loss{one(5, 0)}, 5}, "the last of two": {[]*loss{one(9, 0), one(5, 0)}, 9}, "one is missing": {[]*loss{one(9, 0), {}}, 0},
		"the first was gone again": {[]*loss{one(5, 8), one(9, 0)}, 0}, "just then": {[]*loss{one(5, 9), one(9, 0)}, 0}, "later": {[]*loss{one(5, 10), one(9, 0)}, 9},
	} {
		got := together(c.losses)
		if c.want == 0 && !got.Never() || c.want > 0 && got != ms(c.want) {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
		}
	}
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
	for name, c := range map[string]struct {
		node string
		want []string
	}{
		"on the driver":   {"n1", []string{"ended after", "never", "not yet late", "without a bound", "never begun"}},
		"on an executor":  {"n2", []string{"ended after", "never", "not yet late", "without a bound", "never begun"}},
		"on another node": {"n9", nil},
	} {
		tm := newTeam()
		tm.executor("1", "n2", 2_000, 3_000, 4_000)
		first := tm.fault("f", "nodeIsolate", "n1", 10_000, 0)
		tm.fault("before", "nodeIsolate", "n1", 9_000, 9_500)
		tm.fault("g", "nodeTaint", c.node, 15_000, 0)
		var got []string
		for _, s := range tm.cutShort(steps(), first, tm.driver, []*Incarnation{tm.driver}) {
			if s.cut {
				got = append(got, s.name)
			}
		}
		if diff := gocmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: cut short (-want +got):\n%s", name, diff)
		}
	}
	// The next fault hits the driver's successor.
	tm := newTeam()
	next := driverAt(tm.Model, 2, "n5", 12_000)
	next.Pod.Namespace = "ns"
	first := tm.fault("f", "nodeIsolate", "n1", 10_000, 0)
	tm.fault("g", "nodeTaint", "n5", 15_000, 0)
	tm.fault("h", "nodeTaint", "n1", 16_000, 0)
	for _, s := range tm.cutShort(steps(), first, tm.driver, []*Incarnation{tm.driver, next}) {
		if s.name == "ended after" && !s.cut {
			t.Error("a fault on the successor cuts nothing short")
		}
	}
}

func TestWorkIsItsOwn(t *testing.T) {
	t.Parallel()
	tm := newTeam()
	if got := tm.work(tm.driver); got != nil {
		t.Errorf("nothing was done, got %v", got)
	}
	tm.Ledger.Commits = map[string][]Commit{"k": {{Incarnation: "other", At: ms(5)}}, "l": {{Incarnation: "other", At: ms(6)}, {Incarnation: tm.driver.UID, At: ms(7)}, {Incarnation: tm.driver.UID, At: ms(8)}}}
	if got := tm.work(tm.driver); len(got) != 1 || got[0] != ms(7) {
		t.Errorf("got %v, want its first commit", got)
	}
	tm.driver.Driver.JobsDone, tm.driver.Driver.FirstProgress = ms(3), ms(2)
	if got := tm.work(tm.driver); len(got) != 3 || got[0] != ms(3) || got[1] != ms(2) {
		t.Errorf("got %v, want a job, progress and a commit", got)
	}
	tm.driver.Driver = nil
	if got := tm.work(tm.driver); len(got) != 1 {
		t.Errorf("got %v, want the commit of a driver that never reported", got)
	}
}

func TestWhoWasCurrent(t *testing.T) {
	t.Parallel()
	m := NewModel()
	first, second, third := driverAt(m, 1, "n1", 1_000), driverAt(m, 2, "n2", 5_000), driverAt(m, 3, "n3", 20_000)
	third.Pod.Running = Moment{}
	first.Pod.Terminating, second.Pod.Finished = ms(8_000), ms(15_000)
	ghost := &Incarnation{Number: 4, UID: "ghost", Driver: &Process{}}
	all := []*Incarnation{first, second, third, ghost}
	for at, want := range map[int64]*Incarnation{
		599: nil, 600: first, 1_000: first, 4_599: first, 4_999: first, 5_000: second, 8_000: second, 14_999: second, 15_000: nil, 19_599: nil, 19_600: third, 25_000: third,
	} {
		if got := current(all, ms(at).At); got != want {
			t.Errorf("at %d ms: got %v, want %v", at, got, want)
		}
	}
	if successor(all, first) != second || successor(all, ghost) != nil {
		t.Error("the successor is wrong")
	}
}

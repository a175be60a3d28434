package model

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// lossesInWords returns who was lost to which fault, when, and who took the place.
func (t team) lossesInWords() []string {
	var all []string
	for _, l := range t.ExecutorLosses(Incarnations{t.driver}) {
		text := fmt.Sprintf("%s to %s at %d", l.Pod.UID, l.Fault.Name, l.At.Seq)
		if l.Replacement != nil {
			text += fmt.Sprintf(", replaced by %s at %d", l.Replacement.ID, l.Replacement.At.Seq)
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
			t.driver.Driver.Alive = Spans{{ms(1_500), ms(10_000)}}
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
	one := func(at, removed int64) *ExecutorLoss {
		r := &Registered{At: ms(at)}
		if removed > 0 {
			r.Removed = ms(removed)
		}
		return &ExecutorLoss{Replacement: r}
	}
	for name, c := range map[string]struct {
		losses []*ExecutorLoss
		want   int64 // 0: never
	}{
		"one": {[]*ExecutorLoss{one(5, 0)}, 5}, "the last of two": {[]*ExecutorLoss{one(9, 0), one(5, 0)}, 9},
		"one is missing":           {[]*ExecutorLoss{one(9, 0), {}}, 0},
		"the first was gone again": {[]*ExecutorLoss{one(5, 8), one(9, 0)}, 0}, "just then": {[]*ExecutorLoss{one(5, 9), one(9, 0)}, 0},
		"later": {[]*ExecutorLoss{one(5, 10), one(9, 0)}, 9},
	} {
		got := AllReplaced(c.losses)
		if c.want == 0 && !got.Never() || c.want > 0 && got != ms(c.want) {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
		}
	}
}

// The recovery from a fault shows what the fault cost. A fault that cost nothing may only disturb, and one on what was lost before does
// neither.
func TestInterference(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second string // the nodes that the faults hit
		kind          string // of the second
		want          string
	}{
		"costs the successor":                        {"n1", "n5", "nodePowerOff", "cut"},
		"slows the successor":                        {"n1", "n5", "cpuStress", "disturbed"},
		"on an executor of the dead driver":          {"n1", "n2", "nodePowerOff", "disturbed"},
		"costs the driver whose executor was lost":   {"n2", "n1", "nodePowerOff", "cut"},
		"slows the driver whose executor was lost":   {"n2", "n1", "networkDelay", "disturbed"},
		"costs it another executor":                  {"n2", "n3", "nodePowerOff", "cut"},
		"on a node that carries nothing":             {"n1", "n9", "nodePowerOff", ""},
		"on a node that is silent already":           {"n1", "n1", "nodePowerOff", ""},
		"slows the node of the executor that it had": {"n2", "n3", "cpuStress", "disturbed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tm := newTeam()
			tm.executor("1", "n2", 2_000, 3_000, 4_000)
			tm.executor("2", "n3", 2_000, 3_000, 4_000)
			first := tm.fault("f", "nodePowerOff", c.first, 10_000, 0)
			second := tm.fault("g", c.kind, c.second, 15_000, 0)
			all := Incarnations{tm.driver}
			tm.driver.Driver.Alive = Spans{{ms(1_500), ms(16_000)}}
			if c.first == "n1" {
				tm.driver.Driver.Alive = Spans{{ms(1_500), ms(10_000)}}
				tm.driver.Pod.Terminating = ms(12_000)
				all = append(all, driverAt(tm.Model, 2, "n5", 14_000))
			}
			got := tm.Interference(all, first, tm.driver)
			is := ""
			switch {
			case got.Cut.Equal(second.Began.At):
				is = "cut"
			case got.Disturbed.Equal(second.Began.At) && got.By == second:
				is = "disturbed"
			}
			if is != c.want {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}

// A driver that is put on a node that a fault holds already, and is lost there, is explained by that fault.
func TestADriverPutUnderAFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to int64 // of the fault
		change   func(*Pod)
		want     int // how many are not explained
	}{
		"held, and given up":                 {9_000, 40_000, func(p *Pod) { p.Terminating = ms(18_000) }, 0},
		"held, and still there":              {9_000, 40_000, func(*Pod) {}, 1},
		"undone before it came":              {5_000, 9_000, func(p *Pod) { p.Terminating = ms(18_000) }, 1},
		"held, undone and lost long after":   {9_000, 12_000, func(p *Pod) { p.Finished = ms(30_000) }, 1},
		"held, and well done":                {9_000, 40_000, func(p *Pod) { p.Finished, p.Succeeded = ms(18_000), true }, 1},
		"a driver that was there, and lives": {1, 40_000, func(p *Pod) { p.Terminating = ms(18_000) }, 0},
	} {
		tm := newTeam()
		tm.Launched, tm.Workload.Namespace = ms(1), "ns"
		tm.driver.Pod.Terminating = ms(10_100)
		tm.fault("kill", "podKill", "n1", 10_000, 0)
		tm.fault("hold", "nodeFreeze", "n3", c.from, c.to)
		for i, node := range []string{"n3", "n2"} {
			d := driverAt(tm.Model, i+2, node, int64(11_000+10_000*i))
			d.Pod.Namespace, d.Pod.Owner = "ns", tm.driver.Pod.Owner
			if node == "n3" {
				d.Pod.Running = Moment{}
				c.change(d.Pod)
			}
		}
		if got := tm.Unexplained(); len(got) != c.want {
			t.Errorf("%s: not explained: %q, want %d", name, got, c.want)
		}
	}
}

// Another application in the namespace has drivers and executors, too.
func TestWhatBelongsToTheApplication(t *testing.T) {
	t.Parallel()
	tm := newTeam()
	mine := tm.executor("1", "n2", 2_000, 3_000, 4_000)
	tm.Processes["unseen"] = &Process{PodUID: "unseen", Role: RoleDriver}
	tm.Pods["stranger"] = &Pod{UID: "stranger", Namespace: "ns", Role: "driver", Owner: history.Object{Kind: "Job", UID: "other"}}
	owned := func(by string) *Pod {
		return &Pod{UID: "x", Namespace: "ns", Role: "executor", Owner: history.Object{Kind: "Pod", UID: by}}
	}
	for name, c := range map[string]struct {
		pod  *Pod
		want bool
	}{
		"its driver":                       {tm.driver.Pod, true},
		"an executor of its driver":        {mine, true},
		"an executor of an unseen driver":  {owned("unseen"), true},
		"a component":                      {&Pod{Namespace: "ns", Component: ComponentShuffleService}, true},
		"the witness":                      {&Pod{Namespace: "ns", Component: history.RoleWitness}, false},
		"a stranger's driver":              {tm.Pods["stranger"], false},
		"an executor of a stranger":        {owned("stranger"), false},
		"an executor of nobody knows whom": {owned("nobody"), false},
		"a component of another namespace": {&Pod{Namespace: "other", Component: ComponentShuffleService}, false},
	} {
		if got := tm.Belongs(c.pod); got != c.want {
			t.Errorf("%s: belongs: %t, want %t", name, got, c.want)
		}
	}
}

// A JVM stands still if its signs of life are missing, not if their records are, or a fault of the plan slows it.
func TestSilence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  string // of the fault; empty: none
		first int64  // number of the first record after the silence of 4 s; the one before it has 10
		want  time.Duration
	}{
		"no fault":                        {"", 11, 4 * second},
		"frozen":                          {"nodeFreeze", 11, 0},
		"slowed":                          {"cpuStress", 11, 0},
		"cut off, all records known":      {"nodeIsolate", 11, 4 * second},
		"cut off, records lost":           {"nodeIsolate", 51, 0},
		"few records lost":                {"", 12, 4 * second},
		"half of the records of the time": {"", 31, 0},
	} {
		tm := newTeam()
		tm.driver.Driver.Alive = Spans{{ms(1_500), ms(12_000)}, {ms(16_000), ms(20_000)}}
		w := &writer{}
		for n := range int64(10) {
			w.numbers.add(n+1, 0, false)
		}
		w.numbers.add(c.first, 0, false)
		tm.writers[tm.driver.UID] = w
		if c.kind != "" {
			tm.fault("f", c.kind, "n1", 11_000, 17_000)
		}
		if got, _ := tm.Silent(ms(0).At, ms(60_000).At); got != c.want {
			t.Errorf("%s: silent for %s, want %s", name, got, c.want)
		}
	}
}

func TestWhoWasCurrent(t *testing.T) {
	t.Parallel()
	m := New()
	first, second, third := driverAt(m, 1, "n1", 1_000), driverAt(m, 2, "n2", 5_000), driverAt(m, 3, "n3", 20_000)
	third.Pod.Running = Moment{}
	first.Pod.Terminating, second.Pod.Finished = ms(8_000), ms(15_000)
	ghost := &Incarnation{Number: 4, UID: "ghost", Driver: &Process{}}
	all := Incarnations{first, second, third, ghost}
	for at, want := range map[int64]*Incarnation{
		599: nil, 600: first, 1_000: first, 4_599: first, 4_999: first, 5_000: second, 8_000: second, 14_999: second, 15_000: second,
		15_001: nil, 19_599: nil, 19_600: third, 25_000: third,
	} {
		if got := all.Current(ms(at).At); got != want {
			t.Errorf("at %d ms: got %v, want %v", at, got, want)
		}
	}
	if all.After(first) != second || all.After(ghost) != nil {
		t.Error("the successor is wrong")
	}
}

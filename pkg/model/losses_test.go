package model

import (
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
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
		"one": {[]*ExecutorLoss{one(5, 0)}, 5}, "the last of two": {[]*ExecutorLoss{one(9, 0), one(5, 0)}, 9}, "one is missing": {[]*ExecutorLoss{one(9, 0), {}}, 0},
		"the first was gone again": {[]*ExecutorLoss{one(5, 8), one(9, 0)}, 0}, "just then": {[]*ExecutorLoss{one(5, 9), one(9, 0)}, 0}, "later": {[]*ExecutorLoss{one(5, 10), one(9, 0)}, 9},
	} {
		got := AllReplaced(c.losses)
		if c.want == 0 && !got.Never() || c.want > 0 && got != ms(c.want) {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
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
		599: nil, 600: first, 1_000: first, 4_599: first, 4_999: first, 5_000: second, 8_000: second, 14_999: second, 15_000: second, 15_001: nil, 19_599: nil, 19_600: third, 25_000: third,
	} {
		if got := all.Current(ms(at).At); got != want {
			t.Errorf("at %d ms: got %v, want %v", at, got, want)
		}
	}
	if all.After(first) != second || all.After(ghost) != nil {
		t.Error("the successor is wrong")
	}
}

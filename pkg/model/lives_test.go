package model

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

// times are spans in milliseconds after the epoch.
type times [][2]int64

func timesOf(all Spans) times {
	var got times
	for _, s := range all {
		got = append(got, [2]int64{s.From.At.Sub(historytest.Epoch()).Milliseconds(), s.To.At.Sub(historytest.Epoch()).Milliseconds()})
	}
	return got
}

// A fault that makes processes stand still explains a pause for as long as it lasts, and no longer.
func TestLivesWithPauses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		freeze         [2]int64 // zero: none; one that ends at zero was not undone
		sure, possible times
		gone           bool // as its records were read at 40 s
	}{
		"no fault": {sure: times{{1_000, 20_100}}, possible: times{{1_000, 20_100}}, gone: true},
		"frozen all the time": {[2]int64{5_000, 19_900}, times{{1_000, 5_100}, {20_000, 20_100}}, times{{1_000, 5_100}, {20_000, 20_100}},
			true},
		"frozen for a second": {[2]int64{8_000, 9_000}, times{{1_000, 5_100}, {20_000, 20_100}}, times{{1_000, 8_100}, {9_000, 20_100}},
			true},
		"thawed early": {[2]int64{5_000, 12_000}, times{{1_000, 5_100}, {20_000, 20_100}}, times{{1_000, 5_100}, {12_000, 20_100}},
			true},
		"frozen and never thawed":  {[2]int64{20_000, 0}, times{{1_000, 20_100}}, times{{1_000, 20_100}}, false},
		"thawed long before":       {[2]int64{20_000, 30_000}, times{{1_000, 20_100}}, times{{1_000, 20_100}}, true},
		"thawed just before":       {[2]int64{20_000, 39_500}, times{{1_000, 20_100}}, times{{1_000, 20_100}}, false},
		"a freeze in its own life": {[2]int64{2_000, 3_000}, times{{1_000, 20_100}}, times{{1_000, 20_100}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New()
			m.Ended = ms(40_000)
			driver := driverAt(m, 1, "n1", 1_000)
			driver.Driver = &Process{PodUID: driver.UID, Node: "n1", Alive: Spans{{ms(1_000), ms(5_000)}, {ms(20_000), ms(20_000)}}}
			if c.freeze[0] > 0 {
				m.Faults = []*Fault{landedFault("nodeFreeze", "n1", c.freeze[0], c.freeze[1])}
			}
			if diff := gocmp.Diff(c.sure, timesOf(m.Life(driver.Driver))); diff != "" {
				t.Errorf("certain life (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(c.possible, timesOf(m.PossibleLife(driver))); diff != "" {
				t.Errorf("possible life (-want +got):\n%s", diff)
			}
			if gone := !m.Silence(driver.Driver).Never(); gone != c.gone {
				t.Errorf("gone %v, want %v", gone, c.gone)
			}
		})
	}
}

// A driver may have lived since its container started, whenever that was seen.
func TestLivesBeforeTheFirstRecord(t *testing.T) {
	t.Parallel()
	seen := func(at, since int64) Moment {
		m := ms(at)
		if since > 0 {
			m.Since = ms(since).At
		}
		return m
	}
	for name, c := range map[string]struct {
		placed, running Moment
		want            int64
	}{
		"seen in time":                        {ms(1_000), seen(2_000, 0), 2_000},
		"seen in time, and it started before": {ms(1_000), seen(6_000, 1_500), 1_500},
		"seen after its first record":         {ms(1_000), seen(5_500, 0), 3_500},
		"placed just before":                  {ms(4_200), seen(5_500, 0), 4_200},
		"never seen to run":                   {ms(1_000), Moment{}, 5_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New()
			driver := driverAt(m, 1, "n1", 1_000)
			driver.Pod.Placed, driver.Pod.Running = c.placed, c.running
			driver.Driver = &Process{PodUID: driver.UID, Node: "n1", Alive: Spans{{ms(5_000), ms(9_000)}}}
			if diff := gocmp.Diff(times{{c.want, 9_100}}, timesOf(m.PossibleLife(driver))); diff != "" {
				t.Errorf("possible life (-want +got):\n%s", diff)
			}
		})
	}
}

// Where nodes have clocks of their own, a pause that nobody confirms may be a step of the clock.
func TestLivesByAClockThatMayHaveStepped(t *testing.T) {
	t.Parallel()
	own := map[string]Clock{"n1": {}}
	for name, c := range map[string]struct {
		clocks map[string]Clock
		heard  int64
		freeze bool
		want   times
	}{
		"one clock for all":                {nil, 5_000, false, times{{1_000, 30_100}}},
		"nobody heard of it again":         {own, 5_000, false, times{{1_000, 15_100}}},
		"heard at once afterwards":         {own, 20_000, false, times{{1_000, 30_100}}},
		"a fault explains the pause":       {own, 5_000, true, times{{1_000, 5_100}, {20_000, 30_100}}},
		"heard of until some time after":   {own, 25_000, false, times{{1_000, 30_100}}},
		"its records never came at once":   {own, 0, false, times{{1_000, 15_100}}},
		"cut off before the pause already": {own, 3_000, false, times{{1_000, 15_100}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New()
			m.Clocks = c.clocks
			if c.freeze {
				m.Faults = []*Fault{landedFault("nodeFreeze", "n1", 5_000, 19_000)}
			}
			p := &Process{PodUID: "p", Node: "n1", Alive: Spans{{ms(1_000), ms(5_000)}, {ms(20_000), ms(30_000)}}, heard: ms(c.heard).At}
			if diff := gocmp.Diff(c.want, timesOf(m.SureLife(p))); diff != "" {
				t.Errorf("certain life (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClocksThatWereSetBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		back time.Duration
		want time.Duration
	}{"by a lot": {20 * second, 20*second - 100*time.Millisecond}, "by less than clocks may differ": {900 * time.Millisecond,
		0}, "never": {0, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New()
			p := &Process{PodUID: "p", PodName: "driver", Node: "n1"}
			clock := ms(30_000).At.UnixMicro()
			for n := range int64(20) {
				if n == 10 {
					clock -= c.back.Microseconds()
				}
				m.wrote(&history.WitnessRecord{PodUID: "p", Node: "n1", Seq: n + 1, Type: history.Heartbeat, WallMicros: clock + 100_000*n})
			}
			if got := m.Slack(p); got != c.want {
				t.Errorf("slack %s, want %s", got, c.want)
			}
			if got := len(m.ClockDoubts(p)) > 0; got != (c.want > 0) {
				t.Errorf("doubts %q", m.ClockDoubts(p))
			}
		})
	}
}

// When a fault began to act is between the begin of its injection and its proof, whatever the wall clock did.
func TestWhenAFaultBegan(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) *time.Time {
		t := historytest.Epoch().Add(time.Duration(seconds) * second)
		return &t
	}
	for name, c := range map[string]struct {
		told        *time.Time
		step        time.Duration // of the wall clock, between injection and landing
		want, since int64
	}{
		"told":                           {at(12), 0, 12, 0},
		"told, and before the injecting": {at(5), 0, 10, 0},
		"told, and after the landing":    {at(25), 0, 20, 0},
		"not told":                       {nil, 0, 20, 10},
		"the clock was set forward":      {at(12), time.Minute, 20, 10},
		"the clock was set back":         {at(12), -time.Minute, 20, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New()
			fault := &Fault{Name: "f", Injecting: Moment{Seq: 1, At: *at(10)}}
			m.injectedAhead["f"] = 0
			want := Moment{Seq: 2, At: *at(c.want)}
			if c.since > 0 {
				want.Since = *at(c.since)
			}
			if diff := gocmp.Diff(want, m.began(fault, Moment{Seq: 2, At: *at(20)}, at(20).Add(c.step), c.told)); diff != "" {
				t.Errorf("began (-want +got):\n%s", diff)
			}
		})
	}
}

// The time that Kubernetes states for a change counts if the change was seen clearly later.
func TestTimesThatKubernetesStates(t *testing.T) {
	t.Parallel()
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		b.Harness(0, history.Problem, object{"what": "begin"})
		node := func(at time.Duration, ready string, changed time.Duration) {
			b.Object(at, history.Modified, "Node", "n1", object{"status": object{"conditions": []any{object{"type": "Ready", "status": ready,
				"lastTransitionTime": historytest.Stamp(changed)}}}})
		}
		node(2*second, "True", 1*second)
		node(20*second, "Unknown", 14*second)
		node(22*second, "True", 22*second)
		b.Object(30*second, history.Modified, "Job", "job", object{"metadata": object{"uid": "j"}, "status": object{
			"conditions": []any{object{"type": "Failed", "status": "True", "lastTransitionTime": historytest.Stamp(25 * second)}}}})
	})
	since := func(m Moment) time.Duration { return m.Earliest().Sub(historytest.Epoch()) }
	if lost := m.Nodes["n1"].Lost(historytest.Epoch()); since(lost) != 14*second || lost.At.Sub(historytest.Epoch()) != 20*second {
		t.Errorf("the node was lost at %+v", lost)
	}
	if failed := m.Jobs["j"].Failed; since(failed) != 25*second {
		t.Errorf("the Job failed at %+v", failed)
	}
	for name, c := range map[string]struct {
		meta object
		want time.Duration // zero: when it was seen
	}{
		"with its grace": {object{"deletionTimestamp": historytest.Stamp(45 * second),
			"deletionGracePeriodSeconds": 30}, 15 * second},
		"forced": {object{"deletionTimestamp": historytest.Stamp(20 * second), "deletionGracePeriodSeconds": 0},
			20 * second},
		"the grace was left out":                 {object{"deletionTimestamp": historytest.Stamp(15 * second)}, 15 * second},
		"the grace was left out and is not over": {object{"deletionTimestamp": historytest.Stamp(45 * second)}, 0},
		"seen at once": {object{"deletionTimestamp": historytest.Stamp(60 * second),
			"deletionGracePeriodSeconds": 30}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := historytest.Observed(t, New(), func(b *historytest.Builder) {
				b.Harness(0, history.Problem, object{"what": "begin"})
				c.meta["uid"] = "p"
				b.Object(30*second, history.Modified, "Pod", "pod", object{"metadata": c.meta})
			})
			want := c.want
			if want == 0 {
				want = 30 * second
			}
			if got := since(m.Pods["p"].Terminating); got != want {
				t.Errorf("asked for at %s at the earliest, want %s", got, want)
			}
		})
	}
}

// A pod whose end was seen late may have been on its way out before.
func TestPodsThatMayHaveBeenLeaving(t *testing.T) {
	t.Parallel()
	late := func(at, since int64) Moment {
		m := ms(at)
		m.Since = ms(since).At
		return m
	}
	for name, c := range map[string]struct {
		pod  Pod
		want bool
	}{
		"it stayed":                       {Pod{}, false},
		"deleted later":                   {Pod{Terminating: ms(11_000)}, false},
		"deleted, perhaps earlier":        {Pod{Terminating: late(11_000, 9_000)}, true},
		"deleted, perhaps earlier, after": {Pod{Terminating: late(11_000, 10_000)}, false},
		"deleted in the fault's second":   {Pod{Terminating: late(11_000, 9_001)}, false},
		"gone, perhaps earlier":           {Pod{Deleted: late(12_000, 9_000)}, true},
	} {
		if got := c.pod.MayHaveBeenLeaving(ms(10_000).At); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// A replacement whose pod was seen late may have been asked for before the fault.
func TestReplacementsSeenLate(t *testing.T) {
	t.Parallel()
	for since, want := range map[int64]bool{0: false, 8_000: true, 10_200: false} {
		team := newTeam()
		team.executor("1", "n2", 2_000, 3_000, 4_000).Terminating = ms(10_100)
		pod := team.executor("2", "n3", 11_000, 12_000, 13_000)
		if since > 0 {
			pod.Added.Since = ms(since).At
		}
		team.fault("kill", "nodeDrain", "n2", 10_000, 0)
		losses := team.ExecutorLosses(Incarnations{team.driver})
		if len(losses) != 1 || losses[0].Replacement == nil || losses[0].Unsure != want {
			t.Errorf("seen since %d: %+v, want unsure %v", since, losses, want)
		}
	}
}

// The API server's word counts for nothing where a fault hides what processes do.
func TestNodesThatAFaultHides(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]bool{"nodeIsolate": true, "nodeFreeze": true, "kubeletStop": true, "nodePowerOff": false,
		"nodeDrain": false, "cpuStress": false} {
		m := New()
		m.Faults = []*Fault{landedFault(kind, "n1", 10_000, 20_000)}
		if got := m.HidWithin("n1", ms(15_000).At, ms(30_000).At); got != want {
			t.Errorf("%s hides its node: %v, want %v", kind, got, want)
		}
		if m.HidWithin("n1", ms(20_000).At, ms(30_000).At) || m.HidWithin("n2", ms(15_000).At, ms(30_000).At) {
			t.Errorf("%s hides another node, or later", kind)
		}
	}
}

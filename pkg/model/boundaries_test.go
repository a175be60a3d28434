package model

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestWhichFaultCostTheDriver(t *testing.T) {
	t.Parallel()
	named := func(name string, f *Fault) *Fault { f.Name = name; return f }
	ends := func(at int64) func(*Incarnation) { return func(i *Incarnation) { i.Pod.Terminating = ms(at) } }
	stops := func(at int64) func(*Incarnation) {
		return func(i *Incarnation) { i.Driver = &Process{PodUID: i.UID, Node: i.Node, Stopping: ms(at)} }
	}
	both := func(all ...func(*Incarnation)) func(*Incarnation) {
		return func(i *Incarnation) {
			for _, one := range all {
				one(i)
			}
		}
	}
	for name, c := range map[string]struct {
		faults     []*Fault
		change     func(*Incarnation)
		want       []string
		succession bool
	}{
		"none": {nil, ends(20_000), nil, false},
		"one": {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0))}, ends(20_000), []string{"a"},
			true},
		"the last one before the loss": {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0)),
			named("b", landedFault("nodeFreeze", "n1", 15_000, 0))}, ends(20_000), []string{"b"}, true},
		"not one that began after the loss": {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0)),
			named("b", landedFault("nodeFreeze", "n1", 21_000, 0))}, ends(20_000), []string{"a"}, true},
		"on another node": {[]*Fault{named("a", landedFault("nodeIsolate", "n2", 10_000, 0))}, ends(20_000), nil, false},
		"it had begun to end": {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0))},
			both(ends(20_000), stops(9_999)), nil, false},
		"it began to end afterwards": {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 10_000, 0))},
			both(ends(20_000), stops(10_001)), []string{"a"}, true},
		"before it ran": {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 1_900, 0))}, ends(20_000), []string{"a"},
			false},
		"as it began to run": {[]*Fault{named("a", landedFault("nodeIsolate", "n1", 2_000, 0))}, ends(20_000), []string{"a"},
			true},
		"on a node that was dead already": {[]*Fault{named("a", landedFault("nodePowerOff", "n1", 10_000, 0)),
			named("b", landedFault("nodeIsolate", "n1", 10_200, 0))}, ends(20_000), []string{"a"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New()
			driver := driverAt(m, 1, "n1", 2_000)
			c.change(driver)
			m.Faults = c.faults
			var got []string
			for _, b := range m.DriverLosses(Incarnations{driver}) {
				got = append(got, b.Fault.Name)
			}
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("faults that cost the driver (-want +got):\n%s", diff)
			}
			if got := m.Succession(Incarnations{driver}); got != c.succession {
				t.Errorf("succession %v, want %v", got, c.succession)
			}
			if got := m.explained(Incarnations{driver}, driver); got != (len(c.want) > 0) {
				t.Errorf("explained %v", got)
			}
		})
	}
}

func TestLandedFaults(t *testing.T) {
	t.Parallel()
	m := New()
	unlanded := landedFault("nodeIsolate", "n1", 1_000, 0)
	unlanded.Landed = Moment{}
	late, early := landedFault("nodeIsolate", "n2", 9_000, 0), landedFault("nodeIsolate", "n3", 8_000, 0)
	off := landedFault("nodePowerOff", "n4", 5_000, 7_000)
	while, after := landedFault("nodeTaint", "n4", 6_999, 0), landedFault("nodeDrain", "n4", 7_000, 0)
	pod := &Fault{Kind: "podKill", Targets: []history.Object{{Kind: "Pod", UID: "p"}}, Began: ms(6_000), Landed: ms(6_100)}
	m.Faults = []*Fault{unlanded, late, early, off, while, after, pod}
	var got []int64
	for _, f := range m.Landed() {
		got = append(got, f.Began.Seq)
	}
	if diff := gocmp.Diff([]int64{5_000, 6_000, 7_000, 8_000, 9_000}, got); diff != "" {
		t.Errorf("begin of the landed faults (-want +got):\n%s", diff)
	}
	if !off.Until().Equal(ms(7_000).At) || late.Until().Before(ms(1e12).At) {
		t.Errorf("in effect until %s and %s", off.Until(), late.Until())
	}
	for name, c := range map[string]struct {
		node     string
		from, to int64
		want     bool
	}{
		"within": {"n4", 6_000, 6_500, true}, "at its begin": {"n4", 4_000, 5_000, true}, "before": {"n4", 4_000, 4_999, false},
		"at its end": {"n4", 7_000, 7_100, true}, "another node": {"n9", 6_000, 6_500, false},
		"one that did not land": {"n1", 2_000, 3_000, false},
	} {
		if got := m.HeldWithin(c.node, ms(c.from).At, ms(c.to).At); got != c.want {
			t.Errorf("%s: held %v, want %v", name, got, c.want)
		}
	}
}

func TestFaultsAreNoted(t *testing.T) {
	t.Parallel()
	node := []history.Object{{Kind: "Node", Name: "n1"}}
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		began := historytest.Epoch().Add(1500 * time.Millisecond)
		b.Fault(second, history.FaultInjecting,
			history.FaultData{Fault: "f", Kind: "nodeIsolate", Targets: node, Effects: []history.Effect{history.SilencesNode}})
		b.Fault(2*second, history.FaultLanded, history.FaultData{Fault: "f", Kind: "nodeIsolate", Began: &began})
		b.Fault(3*second, history.FaultLanded, history.FaultData{Fault: "f", Kind: "nodeIsolate"})
		b.Fault(4*second, history.FaultRecovering, history.FaultData{Fault: "f", Detail: map[string]string{history.DidNotHold: "it answered"}})
		b.Fault(5*second, history.FaultNotRecovered, history.FaultData{Fault: "f", Reason: "busy"})
		b.Fault(6*second, history.FaultRecovered, history.FaultData{Fault: "f"})
		b.Fault(7*second, history.FaultInjecting, history.FaultData{Fault: "mark", Kind: "nodeCordon", Targets: node})
		b.Fault(8*second, history.FaultRecovering,
			history.FaultData{Fault: "mark", Detail: map[string]string{history.DidNotHold: "never landed"}})
		b.Fault(9*second, history.FaultInjecting, history.FaultData{Fault: "spares", Kind: "nodeTaint", Targets: node, LeavesRunning: true})
		b.Fault(10*second, history.FaultLanded, history.FaultData{Fault: ""})
		b.Add(11*second, history.Fault, history.FaultLanded, nil, []int{1})
	})
	at := func(seq int64, seconds float64) Moment {
		return Moment{Seq: seq, At: historytest.Epoch().Add(time.Duration(seconds * float64(second)))}
	}
	want := []*Fault{
		{Name: "f", Kind: "nodeIsolate", Targets: node, Named: node, Effects: []history.Effect{history.SilencesNode}, Injecting: at(1, 1),
			Landed: at(2, 2), Began: at(2, 1.5),
			Lapsed: "it answered", NotRecovered: at(5, 5), Recovered: at(6, 6), Reason: "busy", Step: history.FaultRecovered},
		{Name: "mark", Kind: "nodeCordon", Named: node, Leaves: true, Injecting: at(7, 7), Step: history.FaultRecovering},
		{Name: "spares", Kind: "nodeTaint", Named: node, Leaves: true, Injecting: at(9, 9), Step: history.FaultInjecting},
	}
	if diff := gocmp.Diff(want, m.Faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	var problems []int64
	for _, p := range m.Problems {
		problems = append(problems, p.At.Seq)
	}
	if diff := gocmp.Diff([]int64{3, 10, 11}, problems); diff != "" {
		t.Errorf("events with problems (-want +got):\n%s\n%v", diff, m.Problems)
	}
}

// TestDoublesCountOnce lets each record come by HTTP and by disk.
func TestDoublesCountOnce(t *testing.T) {
	t.Parallel()
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		for _, via := range []string{"http", "disk"} {
			for i, r := range []history.WitnessRecord{
				{Type: history.Ledger, Seq: 1, Detail: map[string]string{"key": "k", "value": "v"}},
				{Type: history.Ledger, Seq: 2, Detail: map[string]string{"key": "k", "value": "v"}},
				{Type: history.PodCreateRefused, Seq: 3, Detail: map[string]string{"podName": "p", "code": "409", "message": "exists"}},
				{Type: history.PodCreateRefused, Seq: 4, Detail: map[string]string{"podName": "p", "code": "409", "message": "exists"}},
			} {
				r.Role, r.PodUID, r.PodName, r.Node, r.Incarnation, r.Via = "driver", "d", "driver", "n1", "d", via
				b.Witness(time.Duration(i+1)*second, time.Duration(i+1)*second, r)
			}
		}
	})
	if len(m.Ledger.Commits["k"]) != 2 || len(m.Refused) != 2 {
		t.Errorf("%d commits and %d refusals, want two of each", len(m.Ledger.Commits["k"]), len(m.Refused))
	}
}

func TestProcessesAreNoted(t *testing.T) {
	t.Parallel()
	record := func(b *historytest.Builder, learned, written time.Duration, eventType string, change func(*history.WitnessRecord)) {
		r := history.WitnessRecord{Type: eventType, Role: "driver", PodUID: "d", PodName: "driver", Node: "n1"}
		if change != nil {
			change(&r)
		}
		b.Witness(learned, written, r)
	}
	executor := func(id string) func(*history.WitnessRecord) {
		return func(r *history.WitnessRecord) { r.ExecutorID = id }
	}
	detail := func(key, value string) func(*history.WitnessRecord) {
		return func(r *history.WitnessRecord) { r.ExecutorID, r.Detail = "1", map[string]string{key: value} }
	}
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		b.Harness(0, history.Problem, object{})
		record(b, second+300*time.Millisecond, second, history.ApplicationStarted, func(r *history.WitnessRecord) { r.AppID = "app" })
		record(b, 2*second+200*time.Millisecond, 2*second, history.DriverStarted,
			func(r *history.WitnessRecord) { r.AppID, r.Incarnation = "app", "d" })
		record(b, 3*second, 3*second, history.ExecutorRegistered, executor("1"))
		record(b, 4*second, 4*second, history.ExecutorRegistered, executor("1"))
		record(b, 5*second, 5*second, history.TaskEnded, detail("reason", "ExecutorLostFailure"))
		record(b, 6*second, 6*second, history.TaskEnded, detail("reason", "Success"))
		record(b, 7*second, 7*second, history.JobEnded, detail("result", "failed"))
		record(b, 8*second, 8*second, history.JobEnded, detail("result", "succeeded"))
		record(b, 9*second, 9*second, history.ExecutorRemoved, executor("1"))
		record(b, 10*second, 10*second, history.ApplicationEnded, nil)
		record(b, 11*second, 11*second, history.WitnessTrouble,
			func(r *history.WitnessRecord) { r.Detail = map[string]string{"what": "write", "error": "no space"} })
		record(b, 12*second, 12*second, history.DriverStopping, nil)
		record(b, 12*second, 12*second, history.ExecutorRegistered, func(r *history.WitnessRecord) {
			r.Role, r.PodUID, r.PodName, r.ExecutorID = "executor", "e", "exec", "9"
		})
	})
	d := m.Processes["d"]
	ends := func(m Moment) time.Duration { return m.At.Sub(historytest.Epoch()) }
	got := map[string]time.Duration{
		"started": ends(d.Started), "stopping": ends(d.Stopping), "job": ends(d.JobsDone), "progress": ends(d.FirstProgress),
		"registered": ends(d.Executors["1"].At),
		"removed":    ends(d.Executors["1"].Removed), "first task": ends(d.Executors["1"].FirstTask), "application": ends(d.Applications["app"]),
		"delay": d.Delay,
	}
	want := map[string]time.Duration{
		"started": second, "stopping": 10 * second, "job": 8 * second, "progress": 6 * second, "registered": 3 * second, "removed": 9 * second,
		"first task":  6 * second,
		"application": second, "delay": 0,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("what is known of the driver (-want +got):\n%s", diff)
	}
	if !d.ended || !d.Live || d.Incarnation != "d" || len(d.Executors) != 1 || d.Restarted() ||
		!slices.Equal(d.troubles, []string{"write: no space"}) {
		t.Errorf("the driver is %+v", d)
	}
	if e := m.Processes["e"]; len(e.Executors) > 0 || !e.Started.Never() {
		t.Errorf("an executor tells what drivers do: %+v", e)
	}
	for at, want := range map[int64]int{2_999: 0, 3_000: 1, 8_999: 1, 9_000: 0} {
		if got := d.Registered(ms(at).At); got != want {
			t.Errorf("%d executors at %d ms, want %d", got, at, want)
		}
	}
	two := &Process{Applications: map[string]Moment{"a": ms(1), "b": ms(2)}}
	if !two.Restarted() {
		t.Error("two applications in one pod are no restart")
	}
	if two.Stopping = ms(1); two.Restarted() {
		t.Error("a second application after an orderly end is a restart")
	}
}

func TestReadsOfStages(t *testing.T) {
	t.Parallel()
	stages := map[int64]*Stage{3: {Shuffle: "s"}, 12: {Shuffle: "other"}}
	for name, c := range map[string]struct {
		parents []string
		want    bool
	}{"its parent": {[]string{"3"}, true}, "another's": {[]string{"12"}, false}, "an unknown one": {[]string{"7"},
		false}, "no number": {[]string{"x"}, false}, "the second": {[]string{"x", "7", "3"}, true}} {
		if got := (&Stage{Parents: c.parents}).Reads("s", stages); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if (&Stage{Parents: []string{"x"}}).Reads("", map[int64]*Stage{0: {}}) {
		t.Error("what is no number is taken for stage 0")
	}
}

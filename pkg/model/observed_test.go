package model

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

func TestPodsAreNotedAsSeen(t *testing.T) {
	t.Parallel()
	controller, other := true, false
	meta := object{"uid": "p", "name": "pod", "namespace": "ns", "creationTimestamp": historytest.Stamp(0),
		"labels": map[string]string{"spark-role": "executor", "spark-exec-id": "7", "spark-app-selector": "app",
			"sparkchaos.dev/role": "executor"},
		"ownerReferences": []any{
			object{"kind": "Pod", "name": "no controller", "uid": "x"},
			object{"kind": "Pod", "name": "not the controller", "uid": "y", "controller": other},
			object{"kind": "Job", "name": "job", "uid": "j", "controller": controller},
			object{"kind": "Job", "name": "another", "uid": "z", "controller": controller},
		}}
	deleting := object{"uid": "p", "deletionTimestamp": historytest.Stamp(37 * second), "deletionGracePeriodSeconds": 30}
	running := func(started ...time.Duration) object {
		var all []any
		for _, s := range started {
			all = append(all, object{"state": object{"running": object{"startedAt": historytest.Stamp(s)}}})
		}
		return object{"phase": "Running", "containerStatuses": all}
	}
	ended := func(phase string, finished ...time.Duration) object {
		var all []any
		for _, f := range finished {
			all = append(all, object{"state": object{"terminated": object{"finishedAt": historytest.Stamp(f)}}})
		}
		return object{"phase": phase, "containerStatuses": all}
	}
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		b.Harness(0, history.Problem, object{"what": "begin"})
		b.Object(1*second, history.Added, "Pod", "pod", object{"metadata": meta, "status": object{"phase": "Pending"}})
		b.Object(2*second, history.Modified, "Pod", "pod",
			object{"metadata": meta, "spec": object{"nodeName": "n1"}, "status": object{"phase": "Pending"}})
		b.Object(9*second, history.Modified, "Pod", "pod",
			object{"metadata": meta, "spec": object{"nodeName": "n1"}, "status": running(5*second, 4*second, 6*second)})
		b.Object(10*second, history.Modified, "Pod", "pod", object{"metadata": meta, "status": running(1 * second)})
		b.Object(11*second, history.Modified, "Pod", "pod", object{"metadata": deleting, "status": object{"phase": "Running",
			"conditions": []any{object{"type": "Ready", "status": "True", "reason": "no"},
				object{"type": "DisruptionTarget", "status": "False", "reason": "not yet"}}}})
		b.Object(12*second, history.Modified, "Pod", "pod", object{"metadata": deleting, "status": object{"phase": "Running",
			"conditions": []any{object{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}}}})
		b.Object(20*second, history.Modified, "Pod", "pod",
			object{"metadata": deleting, "status": ended("Failed", 14*second, 16*second, 15*second)})
		b.Object(21*second, history.Deleted, "Pod", "pod", object{"metadata": deleting, "status": ended("Failed", 1*second)})
		b.Object(22*second, history.Deleted, "Pod", "pod",
			object{"metadata": deleting, "status": object{"phase": "Succeeded", "reason": "Evicted"}})
	})
	moment := func(seq, seconds, since int64) Moment {
		m := Moment{Seq: seq, At: historytest.Epoch().Add(time.Duration(seconds) * second)}
		if since > 0 {
			m.Since = historytest.Epoch().Add(time.Duration(since) * second)
		}
		return m
	}
	want := &Pod{
		UID: "p", Name: "pod", Namespace: "ns", Node: "n1", Owner: history.Object{Kind: "Job", Name: "job", UID: "j"},
		Created: historytest.Epoch(), Phase: "Succeeded", Added: moment(2, 1, 0), Placed: moment(3, 2, 0), Running: moment(4, 9, 4),
		Terminating: moment(6, 11, 7),
		Finished:    moment(8, 20, 16), Stopped: moment(8, 20, 16), Succeeded: true,
		Deleted: moment(9, 21, 0), Disrupted: "EvictionByEvictionAPI",
		DisruptedAt: moment(7, 12, 0),
	}
	if diff := gocmp.Diff(want, m.Pods["p"]); diff != "" {
		t.Errorf("pod (-want +got):\n%s", diff)
	}
	if gone := m.Pods["p"].Gone(); gone.Seq != 8 {
		t.Errorf("gone by event %d, want its end, which came before the deletion of the object", gone.Seq)
	}
}

func TestGone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pod  Pod
		want Moment
	}{
		"there":             {Pod{}, Moment{}},
		"finished":          {Pod{Finished: ms(5)}, ms(5)},
		"deleted":           {Pod{Deleted: ms(5)}, ms(5)},
		"finished, deleted": {Pod{Finished: ms(5), Deleted: ms(7)}, ms(5)},
		"deleted, finished": {Pod{Finished: ms(7), Deleted: ms(5)}, ms(5)},
	} {
		if got := c.pod.Gone(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestWhyAPodWasTakenAway(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"Evicted", "NodeLost", "NodeShutdown", "Terminated", "Preempting", "Shutdown"} {
		if got := (podStatus{Reason: reason}).disruption(); got != reason {
			t.Errorf("%s: got %q", reason, got)
		}
	}
	if got := (podStatus{Reason: "DeadlineExceeded"}).disruption(); got != "" {
		t.Errorf("a reason of the pod's own: got %q", got)
	}
}

// TestWhatTheObjectItselfTells compares the time in an object with that at which it was seen.
func TestWhatTheObjectItselfTells(t *testing.T) {
	t.Parallel()
	seen := ms(10_000)
	told := func(n int64) time.Time { return ms(n).At }
	late := func(since int64) Moment { m := seen; m.Since = told(since); return m }
	for name, c := range map[string]struct {
		seen  Moment
		told  time.Time
		clock Clock
		want  Moment
	}{
		"no time":                       {seen, time.Time{}, Clock{}, seen},
		"within the resolution":         {seen, told(8_000), Clock{}, seen},
		"earlier":                       {seen, told(7_999), Clock{}, late(7_999)},
		"later":                         {seen, told(12_000), Clock{}, seen},
		"by a clock that is ahead":      {seen, told(9_000), Clock{Offset: 2 * second}, late(7_000)},
		"by a clock that is behind":     {seen, told(5_000), Clock{Offset: -4 * second}, seen},
		"earlier than the outage":       {late(6_000), told(5_000), Clock{}, late(6_000)},
		"within the outage":             {late(6_000), told(7_000), Clock{}, late(7_000)},
		"at the begin of the outage":    {late(6_000), told(6_000), Clock{}, late(6_000)},
		"the begin of all times, 1970":  {seen, time.Unix(0, 0), Clock{}, seen},
		"just after that, in the clock": {seen, time.Unix(1, 0), Clock{Offset: second}, seen},
	} {
		if got := c.seen.notBefore(c.told, c.clock); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestTheClockOfTheAPIServer narrows down when something happened that was seen late only where the clock that tells it is the harness's
// own.
func TestTheClockOfTheAPIServer(t *testing.T) {
	t.Parallel()
	late := ms(10_000)
	late.Since = ms(2_000).At
	for kind, c := range map[string]struct{ seen, want Moment }{
		"embedded":           {late, Moment{Seq: late.Seq, At: late.At, Since: ms(7_000).At}},
		"existing":           {late, late},
		"existing, not late": {ms(10_000), Moment{Seq: late.Seq, At: late.At, Since: ms(7_000).At}},
	} {
		m := New()
		m.Run.ClusterKind, _, _ = strings.Cut(kind, ",")
		if got := m.stamped(c.seen, ms(7_000).At); got != c.want {
			t.Errorf("%s: got %v, want %v", kind, got, c.want)
		}
	}
}

func TestLapse(t *testing.T) {
	t.Parallel()
	m := New()
	with := func(at, since, slack int64) Moment {
		moment := ms(at)
		moment.Slack = time.Duration(slack) * time.Millisecond
		if since > 0 {
			moment.Since = ms(since).At
		}
		return moment
	}
	for name, c := range map[string]struct {
		from, to    Moment
		least, most int64 // ms
		says        string
	}{
		"exact":                       {ms(1000), ms(9000), 8000, 8000, "8s"},
		"the end was seen late":       {ms(1000), with(9000, 4000, 0), 3000, 8000, "3s to 8s"},
		"the begin was seen late":     {with(5000, 2000, 0), ms(9000), 4000, 7000, "4s to 7s"},
		"since later than seen":       {ms(1000), with(9000, 9500, 0), 8000, 8000, "8s"},
		"uncertain clocks":            {with(1000, 0, 300), with(9000, 0, 400), 7300, 8700, "8.7s"},
		"none at least":               {with(5000, 0, 600), with(5500, 0, 0), 0, 1100, "1.1s"},
		"backwards":                   {ms(9000), ms(1000), 0, 0, "0s"},
		"just below the resolution":   {ms(1000), with(9000, 7001, 0), 6001, 8000, "8s"},
		"as far apart as it resolves": {ms(1000), with(9000, 7000, 0), 6000, 8000, "6s to 8s"},
	} {
		got := m.Lapse(c.from, c.to)
		if got.Least.Milliseconds() != c.least || got.Most.Milliseconds() != c.most || got.String() != c.says {
			t.Errorf("%s: got %s to %s, %q; want %d to %d ms, %q", name, got.Least, got.Most, got, c.least, c.most, c.says)
		}
	}
}

func TestWhatAFaultCost(t *testing.T) {
	t.Parallel()
	alive := func(last int64) *Process {
		p := &Process{PodUID: "p", Node: "n1"}
		for n := int64(1_000); n <= last; n += 500 {
			p.Alive.Add(ms(n))
		}
		return p
	}
	node := Pod{UID: "p", Node: "n1", Placed: ms(500), Running: ms(1_000)}
	with := func(change func(*Pod)) *Pod { p := node; change(&p); return &p }
	there, deleted := with(func(*Pod) {}), with(func(p *Pod) { p.Terminating, p.Deleted = ms(15_000), ms(18_000) })
	wellDone := with(func(p *Pod) { p.Finished, p.Succeeded = ms(15_000), true })
	failed := with(func(p *Pod) { p.Finished = ms(15_000) })
	fault := landedFault("", "n1", 10_000, 30_000)
	as := func(kind string) *Fault { f := *fault; f.Kind = kind; return &f }
	unlanded := as("nodePowerOff")
	unlanded.Landed = Moment{}
	for name, c := range map[string]struct {
		fault   *Fault
		pod     *Pod
		process *Process
		orderly Moment
		want    int64 // 0: nothing
	}{
		"a node without power":                  {as("nodePowerOff"), there, alive(10_000), Moment{}, 10_000},
		"its JVM continued for a moment":        {as("nodePowerOff"), there, alive(11_500), Moment{}, 11_500},
		"for longer: the pod lived on":          {as("nodePowerOff"), there, alive(12_000), Moment{}, 0},
		"it lived on and was deleted":           {as("nodePowerOff"), deleted, alive(12_000), Moment{}, 15_000},
		"a JVM that never reported":             {as("nodePowerOff"), there, nil, Moment{}, 10_000},
		"a JVM without a sign of life":          {as("nodePowerOff"), there, &Process{}, Moment{}, 10_000},
		"another pod's node":                    {as("nodePowerOff"), with(func(p *Pod) { p.Node = "n2" }), alive(10_000), Moment{}, 0},
		"no pod":                                {as("nodePowerOff"), nil, alive(10_000), Moment{}, 0},
		"a fault that did not land":             {unlanded, there, alive(10_000), Moment{}, 0},
		"a container killed":                    {as("containerKill"), there, alive(10_500), Moment{}, 10_500},
		"another container of the pod":          {as("containerKill"), deleted, alive(14_000), Moment{}, 0},
		"a pod killed":                          {as("podKill"), deleted, alive(10_000), Moment{}, 15_000},
		"a pod that was to be killed and lived": {as("podKill"), there, alive(14_000), Moment{}, 0},
		"behind a cut, and given up":            {as("nodeIsolate"), deleted, alive(20_000), Moment{}, 15_000},
		"behind a cut, and kept":                {as("nodeIsolate"), there, alive(20_000), Moment{}, 0},
		"behind a cut, and well done":           {as("nodeIsolate"), wellDone, alive(15_000), Moment{}, 0},
		"behind a cut, and failed":              {as("nodeIsolate"), failed, alive(15_000), Moment{}, 15_000},
		"well done after it was to be deleted": {as("nodeIsolate"),
			with(func(p *Pod) { p.Terminating, p.Finished, p.Succeeded = ms(14_000), ms(15_000), true }), alive(15_000), Moment{}, 14_000},
		"frozen and given up":         {as("nodeFreeze"), deleted, alive(10_000), Moment{}, 15_000},
		"a silent kubelet":            {as("kubeletStop"), deleted, alive(20_000), Moment{}, 15_000},
		"slowed, and ended meanwhile": {as("cpuStress"), deleted, alive(14_000), Moment{}, 15_000},
		"slowed, and there":           {as("cpuStress"), there, alive(20_000), Moment{}, 0},
		"slowed, and ended long after": {as("cpuStress"), with(func(p *Pod) { p.Deleted = ms(35_001) }), alive(20_000), Moment{},
			0},
		"slowed, and ended soon after": {as("cpuStress"), with(func(p *Pod) { p.Deleted = ms(35_000) }), alive(20_000), Moment{},
			35_000},
		"behind a cut, and failed long after": {as("nodeIsolate"), with(func(p *Pod) { p.Finished = ms(45_000) }), alive(45_000),
			Moment{}, 0},
		"behind a cut, and never heard of again": {as("nodeIsolate"), with(func(p *Pod) { p.Deleted = ms(45_000) }), alive(20_000),
			Moment{}, 45_000},
		"frozen, and failed long after": {as("nodeFreeze"), with(func(p *Pod) { p.Finished = ms(45_000) }), alive(45_000),
			Moment{}, 0},
		"a silent kubelet, and failed long after": {as("kubeletStop"), with(func(p *Pod) { p.Finished = ms(45_000) }), alive(45_000),
			Moment{}, 0},
		"tainted, and evicted": {as("nodeTaint"), deleted, alive(14_000), Moment{}, 15_000},
		"tainted, and deleted long after": {as("nodeTaint"), with(func(p *Pod) { p.Terminating = ms(45_000) }), alive(45_000),
			Moment{}, 0},
		"tainted, and failed by itself": {as("nodeTaint"), failed, alive(15_000), Moment{}, 0},
		"tainted, failed by itself and then deleted": {as("nodeTaint"),
			with(func(p *Pod) { p.Finished, p.Terminating, p.Deleted = ms(15_000), ms(16_000), ms(17_000) }), alive(15_000), Moment{}, 0},
		"tainted, evicted and then failed": {as("nodeTaint"),
			with(func(p *Pod) { p.Terminating, p.Finished = ms(15_000), ms(15_000) }), alive(15_000), Moment{}, 15_000},
		"evicted by the kubelet": {as("podEvict"), with(func(p *Pod) { p.Finished, p.Disrupted = ms(15_000), "Evicted" }),
			alive(15_000), Moment{}, 15_000},
		"killed at once, the object alone tells": {as("podKill"), with(func(p *Pod) { p.Deleted = ms(15_000) }), alive(15_000), Moment{},
			15_000},
		"a wrong clock ends nothing": {as("clockSkew"), deleted, alive(14_000), Moment{}, 0},
		"a mark ends nothing":        {as("nodeCordon"), deleted, alive(14_000), Moment{}, 0},
		"it had ended before": {as("nodeIsolate"), with(func(p *Pod) { p.Terminating = ms(9_999) }), alive(9_000),
			Moment{}, 0},
		"it ended just then": {as("nodeIsolate"), with(func(p *Pod) { p.Terminating = ms(10_000) }), alive(9_000),
			Moment{}, 10_000},
		"its driver had ended in an orderly way":   {as("nodeIsolate"), deleted, alive(14_000), ms(14_999), 0},
		"its driver ended in an orderly way after": {as("nodeIsolate"), deleted, alive(14_000), ms(15_001), 15_000},
		"a kind that nobody knows, with its effects": {&Fault{Kind: "other", Effects: []history.Effect{history.EndsPods},
			Targets: fault.Targets, Began: fault.Began, Landed: fault.Landed}, deleted, alive(10_000), Moment{}, 15_000},
		"the effects that it tells go first": {&Fault{Kind: "nodePowerOff", Effects: []history.Effect{history.SkewsClock},
			Targets: fault.Targets, Began: fault.Began, Landed: fault.Landed}, deleted, alive(10_000), Moment{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := Moment{}
			if c.want > 0 {
				want = ms(c.want)
			}
			if got := New().Cost(c.fault, c.pod, c.process, c.orderly); got.At != want.At {
				t.Errorf("got %s, want %s", got.At, want.At)
			}
		})
	}
}

// A node that a fault made silent may be given up when the fault is over: until it is Ready again, what it loses is the fault's doing.
func TestLossesOfANodeThatComesBackLate(t *testing.T) {
	t.Parallel()
	p := &Process{PodUID: "p", Node: "n1", Alive: Spans{{ms(1_000), ms(60_000)}}}
	changes := func(all ...ReadyChange) []ReadyChange { return append([]ReadyChange{{"True", ms(0)}}, all...) }
	for name, c := range map[string]struct {
		changes []ReadyChange
		deleted int64
		want    bool
	}{
		"still Ready":                         {changes(), 45_000, false},
		"not Ready yet":                       {changes(ReadyChange{"Unknown", ms(14_000)}), 45_000, true},
		"Ready just before":                   {changes(ReadyChange{"Unknown", ms(14_000)}, ReadyChange{"True", ms(41_000)}), 45_000, true},
		"Ready long before":                   {changes(ReadyChange{"Unknown", ms(14_000)}, ReadyChange{"True", ms(31_000)}), 45_000, false},
		"not Ready when all was over":         {changes(ReadyChange{"Unknown", ms(40_000)}), 45_000, false},
		"not Ready before the fault and well": {changes(ReadyChange{"Unknown", ms(5_000)}, ReadyChange{"True", ms(8_000)}), 45_000, false},
	} {
		m := New()
		m.Nodes["n1"] = &Node{Name: "n1", Changes: c.changes}
		pod := &Pod{UID: "p", Node: "n1", Placed: ms(500), Running: ms(1_000), Terminating: ms(c.deleted)}
		if got := m.Cost(landedFault("kubeletStop", "n1", 10_000, 30_000), pod, p, Moment{}); got.Never() == c.want {
			t.Errorf("%s: lost at %s, want lost: %t", name, got.At, c.want)
		}
	}
}

// TestNumbersAreASet adds numbers in any order and compares the ranges with a plain set.
func TestNumbersAreASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s numbers
		clock := func(n int64) int64 { return 1000*n - 100_000*(n/10) } // set back every ten records
		set := map[int64]bool{}
		highest := int64(0)
		for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 20), 0, 40).Draw(t, "numbers") {
			s.add(n, clock(n), n%3 > 0)
			set[n] = true
			highest = max(highest, n)
		}
		if s.count() != int64(len(set)) || s.last() != highest || s.missing() != highest-int64(len(set)) {
			t.Fatalf("%v: %d numbers up to %d, %d are missing; want %d up to %d", s, s.count(), s.last(), s.missing(), len(set), highest)
		}
		for i := 1; i < len(s); i++ {
			if s[i].from <= s[i-1].to+1 {
				t.Fatalf("%v: the ranges touch", s)
			}
		}
		fell := time.Duration(0)
		for a, n := int64(0), int64(1); n <= highest; n++ {
			if set[n] {
				if a > 0 && n%3 > 0 {
					fell = max(fell, time.Duration(clock(a)-clock(n))*time.Microsecond)
				}
				a = n
			}
		}
		if s.back() != fell {
			t.Fatalf("%v: the time fell by %s, want %s", s, s.back(), fell)
		}
	})
}

func TestTheDiskOfANode(t *testing.T) {
	t.Parallel()
	// Two processes on n1 wrote the records 1 to 3 each, one on n2 wrote 1.
	build := func(change func(*Model)) *Model {
		m := New()
		for _, w := range []struct {
			uid, node string
			n         int64
		}{{"a", "n1", 3}, {"b", "n1", 3}, {"c", "n2", 1}} {
			m.writers[w.uid] = &writer{name: "pod-" + w.uid, node: w.node}
			m.Processes[w.uid] = &Process{PodUID: w.uid, Node: w.node}
			for n := int64(1); n <= w.n; n++ {
				m.writers[w.uid].numbers.add(n, n, true)
				m.Processes[w.uid].Alive.Add(ms(1000 * n))
			}
		}
		m.Collected["n1"] = &Collection{At: ms(50_000),
			Data: history.CollectionData{Node: "n1", Files: 2, Records: 6, Writers: []history.WriterData{
				{PodUID: "a", Records: 3, First: 1, Last: 3}, {PodUID: "b", Records: 3, First: 1, Last: 3}}}}
		if change != nil {
			change(m)
		}
		return m
	}
	disk := func(m *Model) *history.CollectionData { return &m.Collected["n1"].Data }
	for name, c := range map[string]struct {
		change func(*Model)
		want   string // empty: complete
	}{
		"complete": {nil, ""},
		"not read": {func(m *Model) { delete(m.Collected, "n1") }, "its disk was not read"},
		"read in part": {func(m *Model) { disk(m).Errors = []string{"one", "two"} },
			"its disk was not read in full: one (and 1 more)"},
		"a hole": {func(m *Model) { m.writers["b"].numbers = numbers{{from: 1, to: 1}, {from: 3, to: 3}} },
			"1 of the first 3 records of pod pod-b are missing"},
		"a file is missing": {func(m *Model) { disk(m).Writers = disk(m).Writers[:1] },
			"the file of pod pod-b, which reported, is not on its disk"},
		"a file is too short": {func(m *Model) { disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2 },
			"the file of pod pod-b ends with record 2, record 3 is known"},
		"a file is longer": {func(m *Model) { disk(m).Writers[1].Last, disk(m).Writers[1].Records = 4, 4 },
			"its disk gave 4 records of pod pod-b up to number 4, the history has 3 up to number 3"},
		"a file has more records": {func(m *Model) { disk(m).Writers[1].Records = 4 },
			"its disk gave 4 records of pod pod-b up to number 3, the history has 3 up to number 3"},
		"a file of a stranger": {func(m *Model) {
			disk(m).Writers = append(disk(m).Writers, history.WriterData{PodUID: "x", Records: 1, Last: 1})
		}, "its disk gave 1 record of pod x, the history has none of them"},
		"fewer files": {func(m *Model) { disk(m).Writers, disk(m).Files = nil, 1 },
			"its disk gave the files of 1 processes, 2 reported"},
		"fewer records":    {func(m *Model) { disk(m).Writers, disk(m).Records = nil, 5 }, "its disk gave 5 records, 6 are known"},
		"an older history": {func(m *Model) { disk(m).Writers = nil }, ""},
		"more, in an older one": {func(m *Model) { disk(m).Writers, disk(m).Records, disk(m).Files = nil, 9, 3 },
			"its disk gave 9 records, the history has 6"},
		"a witness that had trouble": {func(m *Model) { m.Processes["a"].troubles = []string{"open: no space", "write: no space"} },
			"the witness in pod pod-a had trouble: open: no space; write: no space"},
		"trouble on another node":     {func(m *Model) { m.Processes["c"].troubles = []string{"open: no space"} }, ""},
		"a writer that is no process": {func(m *Model) { delete(m.Processes, "a") }, ""},
		"a file is too short, but the process told of its end": {func(m *Model) {
			disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2
			m.Processes["b"].ended, m.Processes["b"].Stopping = true, ms(2_000)
		}, ""},
		"it continued for long after": {func(m *Model) {
			disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2
			m.Processes["b"].ended, m.Processes["b"].Stopping = true, ms(1_999)
		}, "the file of pod pod-b ends with record 2, record 3 is known"},
		"a hole is one, whatever the process told": {func(m *Model) {
			m.writers["b"].numbers = numbers{{from: 1, to: 1}, {from: 3, to: 3}}
			m.Processes["b"].ended, m.Processes["b"].Stopping = true, ms(3_000)
		}, "1 of the first 3 records of pod pod-b are missing"},
		"a file is too short, but a fault ended the process just then": {func(m *Model) {
			disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2
			m.Faults = []*Fault{landedFault("nodePowerOff", "n1", 4_000, 0)}
		}, ""},
		"long after": {func(m *Model) {
			disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2
			m.Faults = []*Fault{landedFault("nodePowerOff", "n1", 4_001, 0)}
		}, "the file of pod pod-b ends with record 2, record 3 is known"},
		"before": {func(m *Model) {
			disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2
			m.Faults = []*Fault{landedFault("nodePowerOff", "n1", 1_499, 0)}
		}, "the file of pod pod-b ends with record 2, record 3 is known"},
		"on another node": {func(m *Model) {
			disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2
			m.Faults = []*Fault{landedFault("nodePowerOff", "n2", 3_000, 0)}
		}, "the file of pod pod-b ends with record 2, record 3 is known"},
		"a fault that ends nothing": {func(m *Model) {
			disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2
			m.Faults = []*Fault{landedFault("nodeIsolate", "n1", 3_000, 0)}
		}, "the file of pod pod-b ends with record 2, record 3 is known"},
		"a process without a sign of life": {func(m *Model) {
			disk(m).Writers[1].Last, disk(m).Writers[1].Records = 2, 2
			m.Processes["b"].Alive = nil
			m.Faults = []*Fault{landedFault("nodePowerOff", "n1", 3_000, 0)}
		}, "the file of pod pod-b ends with record 2, record 3 is known"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := build(c.change).incompleteDisk("n1"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLivesAndSilences(t *testing.T) {
	t.Parallel()
	// A process that gives signs of life from 1 s to 3 s and from 6 s to 8 s.
	build := func() (*Model, *Process) {
		m := New()
		p := &Process{PodUID: "p", Node: "n1"}
		for _, n := range []int64{1_000, 2_000, 3_000, 6_000, 7_000, 8_000} {
			p.Alive.Add(ms(n))
		}
		m.Processes["p"] = p
		m.Ended, m.Last = ms(60_000), ms(60_000)
		return m, p
	}
	type life struct{ from, to int64 }
	for name, c := range map[string]struct {
		fault *Fault
		want  []life
	}{
		"no fault":                   {nil, []life{{1_000, 8_100}}},
		"a freeze in the pause":      {landedFault("nodeFreeze", "n1", 3_500, 5_500), []life{{1_000, 3_100}, {6_000, 8_100}}},
		"it ends with the silence":   {landedFault("nodeFreeze", "n1", 2_000, 3_001), []life{{1_000, 3_100}, {6_000, 8_100}}},
		"it ended before":            {landedFault("nodeFreeze", "n1", 2_000, 3_000), []life{{1_000, 8_100}}},
		"it began after":             {landedFault("nodeFreeze", "n1", 6_000, 9_000), []life{{1_000, 8_100}}},
		"it was never undone":        {landedFault("nodeFreeze", "n1", 5_999, 0), []life{{1_000, 3_100}, {6_000, 8_100}}},
		"on another node":            {landedFault("nodeFreeze", "n2", 3_500, 5_500), []life{{1_000, 8_100}}},
		"a fault that pauses nobody": {landedFault("nodeIsolate", "n1", 3_500, 5_500), []life{{1_000, 8_100}}},
	} {
		m, p := build()
		if c.fault != nil {
			m.Faults = []*Fault{c.fault}
		}
		var got []life
		for _, s := range m.Life(p) {
			got = append(got, life{s.From.At.Sub(historytest.Epoch()).Milliseconds(), s.To.At.Sub(historytest.Epoch()).Milliseconds()})
		}
		if diff := gocmp.Diff(c.want, got, gocmp.AllowUnexported(life{})); diff != "" {
			t.Errorf("%s: life (-want +got):\n%s", name, diff)
		}
	}
	collected := func(at int64, took time.Duration, errors ...string) func(*Model) {
		return func(m *Model) {
			m.Collected["n1"] = &Collection{At: ms(at), Data: history.CollectionData{Node: "n1", Took: took, Errors: errors}}
		}
	}
	for name, c := range map[string]struct {
		change func(*Model)
		until  int64
		silent bool
	}{
		"to the end of the record":                  {func(*Model) {}, 60_000, true},
		"to the clean-up":                           {func(m *Model) { m.phases["cleanup"] = ms(50_000) }, 50_000, true},
		"to the collection":                         {func(m *Model) { m.phases["collect"] = ms(40_000) }, 40_000, true},
		"a collection after the end":                {func(m *Model) { m.phases["collect"] = ms(70_000) }, 60_000, true},
		"to the reading of the disk":                {collected(40_000, 5*second), 35_000, true},
		"that took nobody knows how long":           {collected(40_000, 0), 38_000, true},
		"a disk that was not read":                  {collected(40_000, 5*second, "broken"), 60_000, true},
		"a reading that began before its last sign": {collected(9_000, 3*second), 8_000, false},
		"one that ended before it":                  {collected(7_500, 3*second), 7_500, false},
		"silent only just":                          {func(m *Model) { m.phases["collect"] = ms(9_001) }, 9_001, true},
		"not silent for long enough":                {func(m *Model) { m.phases["collect"] = ms(9_000) }, 9_000, false},
		"by a clock that nobody knows well": {func(m *Model) {
			m.phases["collect"] = ms(9_400)
			m.Clocks = map[string]Clock{"n1": {Uncertainty: 400 * time.Millisecond}}
		}, 9_400, false},
		"silent for long enough for that clock": {func(m *Model) {
			m.phases["collect"] = ms(9_401)
			m.Clocks = map[string]Clock{"n1": {Uncertainty: 400 * time.Millisecond}}
		}, 9_401, true},
	} {
		m, p := build()
		c.change(m)
		if got := m.ReadUntil(p).Sub(historytest.Epoch()).Milliseconds(); got != c.until {
			t.Errorf("%s: records are known until %d ms, want %d", name, got, c.until)
		}
		if got := m.Silence(p); got.Never() == c.silent || c.silent && got.At != ms(8_000).At {
			t.Errorf("%s: silent since %v, want %v", name, got, c.silent)
		}
	}
}

func TestClocksAreMeasured(t *testing.T) {
	t.Parallel()
	measured := func(node string, offset, uncertainty time.Duration) history.ClocksData {
		return history.ClocksData{Nodes: []history.ClockOffset{{Node: node, Offset: offset, Uncertainty: uncertainty}}}
	}
	beat := history.WitnessRecord{Type: history.Heartbeat, Role: "driver", PodUID: "d", PodName: "d", Node: "n1"}
	m := historytest.Observed(t, New(), func(b *historytest.Builder) {
		b.Harness(0, history.ClocksMeasured, measured("n1", 3*second, 100*time.Millisecond))
		b.Witness(2*second, 5*second, beat)
		b.Harness(3*second, history.ClocksMeasured, measured("n1", 3*second-40*time.Millisecond, 0))
		b.Harness(4*second, history.ClocksMeasured, measured("n1", 3*second+20*time.Millisecond, 0))
	})
	if got, want := m.Clocks["n1"], (Clock{Offset: 3 * second, Uncertainty: 160 * time.Millisecond}); got != want {
		t.Errorf("the clock is %+v, want %+v", got, want)
	}
	first := m.Processes["d"].Alive.First()
	if got := first.At.Sub(historytest.Epoch()); got != 2*second || first.Slack != 100*time.Millisecond || len(m.Problems) > 0 {
		t.Errorf("the record is of %s, uncertain by %s; problems %v", got, first.Slack, m.Problems)
	}
	for name, c := range map[string]struct {
		data     history.ClocksData
		problems int
	}{
		"right": {measured("n1", 0, 0), 0}, "as right as it can be known": {measured("n1", second, second), 0},
		"wrong": {measured("n1", -second-1, second), 1}, "another node's": {measured("n2", 9*second, 0), 0},
	} {
		late := historytest.Observed(t, New(), func(b *historytest.Builder) {
			b.Witness(second, second, beat)
			b.Harness(3*second, history.ClocksMeasured, c.data)
		})
		if len(late.Problems) != c.problems {
			t.Errorf("%s: measured late: problems %v, want %d", name, late.Problems, c.problems)
		}
	}
}

// TestTheWallClockOfTheHarness steps it and looks at what is noted.
func TestTheWallClockOfTheHarness(t *testing.T) {
	t.Parallel()
	m := New()
	for i, wall := range []time.Duration{0, second, 2*second - 700*time.Millisecond, 3 * second} {
		m.Observe(&history.Event{Seq: int64(i + 1), Offset: time.Duration(i) * second, Wall: historytest.Epoch().Add(wall),
			Source: history.Harness, Type: history.Problem,
			Data: json.RawMessage(`{}`)})
	}
	if m.drift != 700*time.Millisecond {
		t.Errorf("the wall clock left the monotonic one by %s, want 700ms", m.drift)
	}
	if got := m.Last.At.Sub(historytest.Epoch()); got != 3*second {
		t.Errorf("the last event is of %s, want 3s", got)
	}
}

func TestClocksOfProcesses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Model, *Process)
		want   []string // assumptions that do not hold
		slack  time.Duration
	}{
		"one clock for all": {func(*Model, *Process) {}, nil, 0},
		"asked": {func(m *Model, _ *Process) {
			m.Clocks = map[string]Clock{"n1": {Offset: 90 * second, Uncertainty: second}}
		}, nil, second},
		"not asked": {func(m *Model, _ *Process) { m.Clocks = map[string]Clock{"n2": {}} },
			[]string{"the clock of each node was asked (not n1)"}, 0},
		"not asked, of others": {func(m *Model, _ *Process) { m.Run.ClusterKind = "existing" },
			[]string{"the clock of each node was asked (not n1)"}, 0},
		"uncertain": {func(m *Model, _ *Process) { m.Clocks = map[string]Clock{"n1": {Uncertainty: second + 1}} },
			[]string{"the clocks agree with the harness's within 1s (not that of node n1 is uncertain by 1s)"}, second + 1},
		"a delay that is normal": {func(_ *Model, p *Process) { p.Live, p.Delay = true, second }, nil, 0},
		"behind": {func(_ *Model, p *Process) { p.Live, p.Delay = true, 2*second },
			[]string{"the clocks agree with the harness's within 1s (not that of pod by 2s)"}, 2 * second},
		"ahead": {func(_ *Model, p *Process) { p.Live, p.Delay = true, -3*second },
			[]string{"the clocks agree with the harness's within 1s (not that of pod by 3s)"}, 3 * second},
		"nobody saw it arrive": {func(_ *Model, p *Process) { p.Delay = -3 * second }, nil, 0},
		"put wrong by a fault": {func(_ *Model, p *Process) { p.Untimed = 1 },
			[]string{"no process whose clock a fault put wrong left records whose arrival nobody saw (not pod)"}, 0},
		"the harness's own": {func(m *Model, _ *Process) { m.drift = 501 * time.Millisecond },
			[]string{"the harness's wall clock kept time (it left the monotonic clock by 501ms)"}, 501 * time.Millisecond},
		"not by much": {func(m *Model, _ *Process) { m.drift = 500 * time.Millisecond }, nil, 0},
		"all of it": {func(m *Model, p *Process) {
			m.drift, p.Live, p.Delay = second, true, 2*second
			m.Clocks = map[string]Clock{"n1": {Uncertainty: 3 * second}}
		}, []string{"the clocks agree with the harness's within 1s (not that of node n1 is uncertain by 3s, that of pod by 2s)",
			"the harness's wall clock kept time (it left the monotonic clock by 1s)"}, 4 * second},
	} {
		m := New()
		p := &Process{PodUID: "p", PodName: "pod", Node: "n1"}
		c.change(m, p)
		if diff := gocmp.Diff(c.want, m.ClockDoubts(nil, p)); diff != "" {
			t.Errorf("%s: not so (-want +got):\n%s", name, diff)
		}
		if got := m.Slack(p); got != c.slack {
			t.Errorf("%s: uncertain by %s, want %s", name, got, c.slack)
		}
	}
}

// A record that comes by both ways says the same; two different ones with one number are of two processes, or one is forged.
func TestTwoRecordsWithOneNumber(t *testing.T) {
	t.Parallel()
	first := history.WitnessRecord{
		Type: history.Ledger, Role: RoleDriver, PodUID: "d", PodName: "driver-d", Node: "n1", Seq: 7, WallMicros: 1_000_000, Via: "http",
		Detail: map[string]string{"key": "k", "value": "right", "more": "x"},
	}
	for name, tt := range map[string]struct {
		change func(*history.WitnessRecord)
		want   int
	}{
		"by the disk, too": {func(r *history.WitnessRecord) { r.Via = viaDisk }, 0},
		"another number":   {func(r *history.WitnessRecord) { r.Seq, r.WallMicros = 8, 1_100_000 }, 0},
		"another process":  {func(r *history.WitnessRecord) { r.PodUID, r.WallMicros = "e", 1_100_000 }, 0},
		"another time":     {func(r *history.WitnessRecord) { r.WallMicros++ }, 1},
		"another type":     {func(r *history.WitnessRecord) { r.Type = history.Heartbeat }, 1},
		"another value": {func(r *history.WitnessRecord) {
			r.Detail = map[string]string{"key": "k", "value": "wrong", "more": "x"}
		}, 1},
		"the values exchanged": {func(r *history.WitnessRecord) {
			r.Detail = map[string]string{"key": "right", "value": "k", "more": "x"}
		}, 1},
		"a batch, which is new": {func(r *history.WitnessRecord) { r.BatchID = new(int64) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New()
			second := first
			tt.change(&second)
			for _, record := range []history.WitnessRecord{first, second, second} {
				m.wrote(&record)
			}
			if len(m.Conflicts) != tt.want {
				t.Errorf("conflicts %v, want %d", m.Conflicts, tt.want)
			}
		})
	}
}

// A harness that told of a conflict need not be repeated.
func TestAConflictIsToldOnce(t *testing.T) {
	t.Parallel()
	m := New()
	m.Conflicts = []history.ConflictData{{PodUID: "d", Seq: 1}}
	for micros := range int64(3) {
		m.wrote(&history.WitnessRecord{PodUID: "d", Seq: 1, WallMicros: micros})
	}
	if len(m.Conflicts) != 1 {
		t.Errorf("conflicts: %v", m.Conflicts)
	}
}

// The word of a kubelet that all containers ended is one only if it saw them end, or they never were.
func TestContainersThatStopped(t *testing.T) {
	t.Parallel()
	runs := object{"containerID": "c", "state": object{"running": object{"startedAt": historytest.Stamp(3 * second)}}}
	ended := object{"containerID": "c", "state": object{"terminated": object{"finishedAt": historytest.Stamp(4 * second)}}}
	lost := object{"containerID": "c", "state": object{"terminated": object{"reason": "ContainerStatusUnknown"}}}
	never := object{"state": object{"terminated": object{"reason": "ContainerStatusUnknown"}}}
	waits := object{"state": object{"waiting": object{"reason": "ContainerCreating"}}}
	for name, c := range map[string]struct {
		statuses [][]any
		want     Moment
	}{
		"no word":         {[][]any{nil}, Moment{}},
		"it runs":         {[][]any{{runs}}, Moment{}},
		"it was not made": {[][]any{{waits}}, Moment{}},
		"it ended": {[][]any{{ended}}, Moment{Seq: 2, At: historytest.Epoch().Add(10 * second),
			Since: historytest.Epoch().Add(4 * second)}},
		"one of two ended":           {[][]any{{ended, runs}}, Moment{}},
		"nobody saw it end":          {[][]any{{lost}}, Moment{}},
		"it never was":               {[][]any{{never}}, Moment{Seq: 2, At: historytest.Epoch().Add(10 * second)}},
		"it ended and was recreated": {[][]any{{ended}, {runs}}, Moment{}},
		"it ended, then no word of it": {[][]any{{ended}, nil}, Moment{Seq: 2, At: historytest.Epoch().Add(10 * second),
			Since: historytest.Epoch().Add(4 * second)}},
	} {
		m := historytest.Observed(t, New(), func(b *historytest.Builder) {
			b.Harness(0, history.Problem, object{"what": "begin"})
			for i, s := range c.statuses {
				at := time.Duration(10+i) * second
				b.Object(at, history.Modified, "Pod", "p", object{"metadata": object{"uid": "p"}, "status": object{"containerStatuses": s}})
			}
		})
		if diff := gocmp.Diff(c.want, m.Pods["p"].Stopped); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

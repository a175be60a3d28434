package check

import (
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// The tests in this file look at the model itself, at the boundaries of what it notes.

// ms is a moment so many milliseconds after the epoch; its event has the number of the milliseconds.
func ms(n int64) model.Moment {
	return model.Moment{Seq: max(1, n), At: historytest.Epoch().Add(time.Duration(n) * time.Millisecond)}
}

type object = map[string]any

// nodeObject is a node with a Ready condition, a boot id and taints.
func nodeObject(ready, boot string, taints ...string) object {
	var list []any
	for _, text := range taints {
		key, effect, _ := strings.Cut(text, ":")
		list = append(list, object{"key": key, "value": "v", "effect": effect})
	}
	conditions := []any{object{"type": "MemoryPressure", "status": "False"}}
	if ready != "" {
		conditions = append(conditions, object{"type": "Ready", "status": ready})
	}
	return object{"spec": object{"taints": list}, "status": object{"conditions": conditions, "nodeInfo": object{"bootID": boot}}}
}

func TestForeignDisturbances(t *testing.T) {
	t.Parallel()
	fault := func(from time.Duration, kind string, target history.Object) func(*historytest.Builder) {
		return func(b *historytest.Builder) {
			began := historytest.Epoch().Add(from)
			data := history.FaultData{Fault: "f", Kind: kind, Targets: []history.Object{target}, Began: &began}
			b.Fault(from+500*time.Millisecond, history.FaultInjecting, data)
			b.Fault(from+time.Second, history.FaultLanded, data)
		}
	}
	node := history.Object{Kind: "Node", Name: "n1"}
	ownedBy := func(kind, uid string) []any {
		return []any{object{"kind": kind, "name": uid, "uid": uid, "controller": true}}
	}
	evicted := func(b *historytest.Builder, labels map[string]string, namespace string) {
		var owners []any
		if driver := labels["driver"]; driver != "" {
			owners = ownedBy("Pod", driver)
		}
		b.Object(20*second, history.Added, "Pod", "e", object{
			"metadata": object{"uid": "e", "name": "e", "namespace": namespace, "labels": labels, "ownerReferences": owners},
			"spec":     object{"nodeName": "n1"},
			"status":   object{"phase": "Failed", "reason": "Evicted"}})
	}
	executor := map[string]string{"spark-role": "executor", "driver": "d"}
	for name, c := range map[string]struct {
		tell func(*historytest.Builder)
		want []string
	}{
		"nothing": {func(*historytest.Builder) {}, nil},
		"a node is lost, and lost again": {func(b *historytest.Builder) {
			b.Object(20*second, history.Modified, "Node", "n1", nodeObject("Unknown", "b1"))
			b.Object(21*second, history.Modified, "Node", "n1", nodeObject("False", "b1"))
			b.Object(22*second, history.Modified, "Node", "n1", nodeObject("True", "b1"))
			b.Object(23*second, history.Modified, "Node", "n1", nodeObject("", "b1"))
			b.Object(24*second, history.Modified, "Node", "n1", nodeObject("", "b1"))
		}, []string{"at 20s node n1 was not Ready any more (Unknown), which no fault explains",
			"at 23s node n1 was not Ready any more (Unknown), which no fault explains"}},
		"a node is removed": {func(b *historytest.Builder) {
			b.Object(20*second, history.Deleted, "Node", "n1", nodeObject("True", "b1"))
		},
			[]string{"at 20s node n1 was not Ready any more (Deleted), which no fault explains"}},
		"a node that was never Ready": {func(b *historytest.Builder) {
			b.Object(20*second, history.Added, "Node", "n2", nodeObject("False", ""))
			b.Object(21*second, history.Modified, "Node", "n2", nodeObject("Unknown", ""))
		}, nil},
		"a node is booted": {func(b *historytest.Builder) {
			b.Object(20*second, history.Modified, "Node", "n1", nodeObject("True", ""))
			b.Object(21*second, history.Modified, "Node", "n1", nodeObject("True", "b2"))
			b.Object(22*second, history.Modified, "Node", "n1", nodeObject("True", "b2"))
		}, []string{"at 21s node n1 was booted, which no fault explains"}},
		"a node is tainted, twice": {func(b *historytest.Builder) {
			b.Object(20*second, history.Modified, "Node", "n1",
				nodeObject("True", "b1", "old:NoSchedule", "a:NoExecute", "node.kubernetes.io/not-ready:NoExecute"))
			b.Object(21*second, history.Modified, "Node", "n1", nodeObject("True", "b1", "node.kubernetes.io/unreachable:NoExecute"))
			b.Object(22*second, history.Modified, "Node", "n1", nodeObject("True", "b1", "a:NoExecute"))
		}, []string{"at 20s node n1 got the taint a=v:NoExecute, which no fault explains",
			"at 22s node n1 got the taint a=v:NoExecute, which no fault explains"}},
		"a fault explains what comes after it": {func(b *historytest.Builder) {
			b.Object(20*second, history.Modified, "Node", "n1", nodeObject("False", "b2", "x:NoExecute"))
			evicted(b, executor, "ns")
			fault(18*second, "nodePowerOff", node)(b)
		}, nil},
		"that is seen a little before it": {func(b *historytest.Builder) {
			b.Object(18*second, history.Modified, "Node", "n1", nodeObject("False", "b1"))
			fault(20*second, "nodePowerOff", node)(b)
		}, nil},
		"but not what is seen long before it": {func(b *historytest.Builder) {
			b.Object(17*second, history.Modified, "Node", "n1", nodeObject("False", "b1"))
			fault(20*second, "nodePowerOff", node)(b)
		}, []string{"at 17s node n1 was not Ready any more (False), which no fault explains"}},
		"nor what happens elsewhere": {func(b *historytest.Builder) {
			b.Object(20*second, history.Modified, "Node", "n1", nodeObject("False", "b1"))
			fault(18*second, "nodePowerOff", history.Object{Kind: "Node", Name: "n2"})(b)
			fault(18*second, "podKill", history.Object{Kind: "Pod", Name: "n1", UID: "n1"})(b)
		}, []string{"at 20s node n1 was not Ready any more (False), which no fault explains"}},
		"an executor is evicted": {func(b *historytest.Builder) { evicted(b, executor, "ns") },
			[]string{"at 20s pod e on node n1 was taken away (Evicted), which no fault explains"}},
		"by a fault on the pod": {func(b *historytest.Builder) {
			evicted(b, executor, "ns")
			fault(19*second, "podEvict", history.Object{Kind: "Pod", Name: "e", UID: "e"})(b)
		}, nil},
		"by a fault on another pod": {func(b *historytest.Builder) {
			evicted(b, executor, "ns")
			fault(19*second, "podEvict", history.Object{Kind: "Pod", Name: "e"})(b)
		}, []string{"at 20s pod e on node n1 was taken away (Evicted), which no fault explains"}},
		"a stranger's executor": {func(b *historytest.Builder) {
			evicted(b, map[string]string{"spark-role": "executor", "driver": "other"}, "ns")
		}, nil},
		"the Job is deleted": {func(b *historytest.Builder) {
			b.Object(20*second, history.Deleted, "Job", "j", object{"metadata": object{"uid": "j"}})
		}, []string{"at 20s the driver's Job was deleted, which no fault explains"}},
		"the Job is marked for deletion": {func(b *historytest.Builder) {
			b.Object(20*second, history.Modified, "Job", "j",
				object{"metadata": object{"uid": "j", "deletionTimestamp": historytest.Stamp(20 * second)}})
		}, []string{"at 20s the driver's Job was deleted, which no fault explains"}},
		"another Job is deleted": {func(b *historytest.Builder) {
			b.Object(20*second, history.Deleted, "Job", "k", object{"metadata": object{"uid": "k"}})
		}, nil},
		"a pod of another namespace":  {func(b *historytest.Builder) { evicted(b, executor, "other") }, nil},
		"a pod that is no part of it": {func(b *historytest.Builder) { evicted(b, nil, "ns") }, nil},
		"a component": {func(b *historytest.Builder) {
			evicted(b, map[string]string{"sparkchaos.dev/role": "stagingServer"}, "ns")
		}, []string{"at 20s pod e on node n1 was taken away (Evicted), which no fault explains"}},
		"the witness, which is the harness's": {func(b *historytest.Builder) {
			evicted(b, map[string]string{"sparkchaos.dev/role": "witness"},
				"ns")
		}, nil},
		"what was so before the workload's time": {func(b *historytest.Builder) {
			b.Object(9*second, history.Modified, "Node", "n1", nodeObject("False", "b9", "y:NoExecute"))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := historytest.Observed(t, model.New(), func(b *historytest.Builder) {
				b.Object(0, history.Added, "Node", "n1", nodeObject("True", "b1", "old:NoSchedule"))
				b.Harness(10*second, history.WorkloadLaunched, history.WorkloadData{Namespace: "ns", DriverKind: "Job", DriverUID: "j"})
				b.Object(11*second, history.Added, "Pod", "d",
					object{"metadata": object{"uid": "d", "name": "d", "namespace": "ns", "ownerReferences": ownedBy("Job", "j")}})
				c.tell(b)
			})
			if diff := gocmp.Diff(c.want, foreign(m, plan{})); diff != "" {
				t.Errorf("foreign (-want +got):\n%s", diff)
			}
		})
	}
	unlaunched := historytest.Observed(t, model.New(), func(b *historytest.Builder) {
		b.Object(0, history.Added, "Node", "n1", nodeObject("True", "b1"))
		b.Object(second, history.Modified, "Node", "n1", nodeObject("False", "b1"))
	})
	if why := foreign(unlaunched, plan{}); why != nil {
		t.Errorf("nothing was launched, but %v", why)
	}
}

func TestStarved(t *testing.T) {
	t.Parallel()
	load := func(end int64, length time.Duration, cpus int, runnable, pressure float64, late time.Duration) model.Load {
		return model.Load{At: ms(end), Data: history.LoadData{For: length, CPUs: cpus, Runnable: runnable, CPU: pressure, TimerLate: late}}
	}
	window := func(least, bound time.Duration) Window {
		return Window{From: ms(10_000).At, To: ms(30_000).At, Least: least, Bound: bound}
	}
	beats := func(times ...int64) *model.Model {
		m := model.New()
		p := &model.Process{PodUID: "p", PodName: "pod", Node: "n1"}
		for _, n := range times {
			p.Alive.Add(ms(n))
		}
		m.Processes["p"] = p
		return m
	}
	loaded := func(loads ...model.Load) *model.Model { m := model.New(); m.Loads = loads; return m }
	for name, c := range map[string]struct {
		model *model.Model
		w     Window
		want  string // part of the reason; empty: it was not starved
	}{
		"nothing is known": {model.New(), window(11*second, 10*second), ""},
		"busy":             {loaded(load(30_000, 20*second, 2, 7.8, 0.5, 0)), window(11*second, 10*second), ""},
		"starved": {loaded(load(30_000, 20*second, 2, 8, 0.755, 0)), window(11*second, 10*second),
			"4.0 processes wanted each CPU (limit 4), CPU pressure was 76 %"},
		"starved in half of the time": {loaded(load(20_000, 10*second, 1, 10, 1, 0), load(30_000, 10*second, 1, 2, 0, 0)),
			window(11*second, 10*second), "6.0 processes wanted each CPU (limit 4), CPU pressure was 50 %"},
		"starved before": {loaded(load(10_000, 10*second, 1, 50, 0, 0), load(30_000, 20*second, 1, 1, 0, 0)),
			window(11*second, 10*second), ""},
		"starved after": {loaded(load(40_000, 10*second, 1, 50, 0, 0), load(30_000, 20*second, 1, 1, 0, 0)),
			window(11*second, 10*second), ""},
		"only partly within": {loaded(load(15_000, 10*second, 1, 8, 0, 0), load(30_000, 15*second, 1, 0, 0, 0)),
			window(11*second, 10*second), ""},
		"a measurement without CPUs": {loaded(load(30_000, 20*second, 0, 100, 1, 9*second)), window(11*second, 10*second), ""},
		"one CPU":                    {loaded(load(30_000, 20*second, 1, 4, 0, 0)), window(11*second, 10*second), "4.0 processes"},
		"a late timer": {loaded(load(20_000, 5*second, 2, 1, 0, 300*time.Millisecond), load(30_000, 5*second, 2, 1, 0,
			second), load(31_000, 500*time.Millisecond, 2, 1, 0, 9*second)), window(11*second, 10*second), "late by 1s (limit 1s)"},
		"a timer that is a little late": {loaded(load(30_000, 20*second, 2, 1, 0, 999*time.Millisecond)), window(11*second, 10*second), ""},
		"a JVM that stood still": {beats(11_000, 14_000, 17_500, 18_000), window(11*second, 10*second),
			"the JVM in pod pod stood still for 3.5s"},
		"as long as is allowed, exactly": {beats(11_000, 14_000), window(11*second, 10*second), "stood still for 3s"},
		"for less":                       {beats(11_000, 13_999), window(11*second, 10*second), ""},
		"from before the time on":        {beats(9_999, 14_000), window(11*second, 10*second), ""},
		"from its begin to its end":      {beats(10_000, 30_000), window(11*second, 10*second), "stood still for 20s"},
		"until after the time":           {beats(20_000, 30_001), window(11*second, 10*second), ""},
		"but far too late all the same":  {loaded(load(30_000, 20*second, 1, 4, 0, 0)), window(60_001*time.Millisecond, 10*second), ""},
		"as late as the load explains":   {loaded(load(30_000, 20*second, 1, 4, 0, 0)), window(60*second, 10*second), "4.0 processes"},
		"a late timer explains no more":  {loaded(load(30_000, 20*second, 2, 1, 0, second)), window(15_001*time.Millisecond, 10*second), ""},
		"than half as much again":        {loaded(load(30_000, 20*second, 2, 1, 0, second)), window(15*second, 10*second), "late by"},
		"without a bound":                {loaded(load(30_000, 20*second, 1, 4, 0, 0)), window(1000*second, 0), "4.0 processes"},
		"a time that is none":            {loaded(load(30_000, 20*second, 1, 40, 0, 0)), Window{From: ms(30_000).At, To: ms(10_000).At}, ""},
		"a negative measurement": {loaded(load(20_000, 10*second, 1, -100, -1, 0), load(30_000, 10*second, 1, 8, 1, 0)),
			window(11*second, 10*second), "4.0 processes wanted each CPU (limit 4), CPU pressure was 50 %"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := starved(c.model, c.w)
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	held := beats(11_000, 20_000)
	held.Faults = []*model.Fault{{Kind: "nodeFreeze", Targets: []history.Object{{Kind: "Node", Name: "n1"}}, Landed: ms(12_500),
		Began: ms(12_000), Recovered: ms(19_000)}}
	if got := starved(held, window(11*second, 10*second)); got != "" {
		t.Errorf("a JVM that a fault held: got %q", got)
	}
}

// landedFault is a fault on a node in effect from one time to another; zero: it was not undone.
func landedFault(kind, node string, from, to int64) *model.Fault {
	f := &model.Fault{Name: kind, Kind: kind, Targets: []history.Object{{Kind: "Node", Name: node}}, Injecting: ms(from), Began: ms(from),
		Landed: ms(from + 500)}
	if to > 0 {
		f.Recovered = ms(to)
	}
	return f
}

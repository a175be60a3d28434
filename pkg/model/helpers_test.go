package model

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/history/historytest"
)

const second = time.Second

// ms is a moment so many milliseconds after the epoch; its event has the number of the milliseconds.
func ms(n int64) Moment {
	return Moment{Seq: max(1, n), At: historytest.Epoch().Add(time.Duration(n) * time.Millisecond)}
}

type object = map[string]any

// landedFault is a fault on a node in effect from one time to another; zero: it was not undone.
func landedFault(kind, node string, from, to int64) *Fault {
	f := &Fault{Name: kind, Kind: kind, Targets: []history.Object{{Kind: "Node", Name: node}}, Injecting: ms(from), Began: ms(from),
		Landed: ms(from + 500)}
	if to > 0 {
		f.Recovered = ms(to)
	}
	return f
}

// driverAt is an incarnation on a node whose pod ran from a time on.
func driverAt(m *Model, number int, node string, running int64) *Incarnation {
	uid := "d" + string(rune('0'+number))
	pod := &Pod{UID: uid, Name: uid, Node: node, Added: ms(running - 500), Placed: ms(running - 400), Running: ms(running)}
	m.Pods[uid] = pod
	return &Incarnation{Number: number, UID: uid, Name: uid, Node: node, Pod: pod}
}

// team is a driver with executors, as a model knows them.
type team struct {
	*Model
	driver *Incarnation
}

// newTeam returns a driver on n1 that runs since 1 s, and reports until 60 s.
func newTeam() team {
	m := New()
	m.Workload = history.WorkloadData{Namespace: "ns", DriverKind: "Job", DriverUID: "j"}
	m.Ended = ms(60_000)
	d := driverAt(m, 1, "n1", 1_000)
	d.Pod.Namespace, d.Pod.Owner = "ns", history.Object{Kind: "Job", UID: "j"}
	d.Driver = &Process{PodUID: d.UID, Node: "n1", Role: RoleDriver, Executors: map[string]*Registered{}}
	d.Driver.Alive = Spans{{ms(1_500), ms(60_000)}}
	m.Processes[d.UID] = d.Driver
	return team{m, d}
}

// executor adds an executor whose pod was made, ran and registered at times; zero: it never did.
func (t team) executor(id, node string, made, ran, registered int64) *Pod {
	pod := &Pod{
		UID: "e" + id, Name: "exec-" + id, Namespace: "ns", Node: node, Owner: history.Object{Kind: "Pod", UID: t.driver.UID}, ExecutorID: id,
		Application: "app",
		Added:       ms(made), Placed: ms(made + 1),
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

// eventOf is an event with a record of a JVM.
func eventOf(t *testing.T, r history.WitnessRecord) history.Event {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return history.Event{Source: history.Witness, Type: r.Type, Data: data}
}

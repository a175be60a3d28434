package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Incarnation is one life of the driver.
type Incarnation struct {
	Number int // counts from 1 in the order of creation
	UID    string
	Name   string // of the pod
	Node   string
	Pod    *Pod     // nil if only the witness knows of it
	Driver *Process // nil if its JVM never reported
}

// String names the incarnation in messages.
func (i *Incarnation) String() string {
	return fmt.Sprintf("incarnation %d (pod %s)", i.Number, i.Name)
}

func (i *Incarnation) created() time.Time {
	if i.Pod != nil {
		return i.Pod.Added.At
	}
	return i.Driver.Alive.first().At
}

func (i *Incarnation) seq() int64 {
	if i.Pod != nil {
		return i.Pod.Added.Seq
	}
	return i.Driver.Alive.first().Seq
}

// Incarnations returns the driver's lives in the order of their creation: the pods of the driver's Job, or the bare
// driver pod, and drivers that only the witness knows of.
func (m *Model) Incarnations() []*Incarnation {
	if m.Launched.Never() {
		return nil
	}
	var all []*Incarnation
	for uid, pod := range m.Pods {
		if m.isDriver(pod) {
			all = append(all, &Incarnation{UID: uid, Name: pod.Name, Node: pod.Node, Pod: pod, Driver: m.Processes[uid]})
		}
	}
	for uid, process := range m.Processes {
		if m.Pods[uid] == nil && process.Role == roleDriver && !process.Alive.first().At.Before(m.launchBegan()) {
			all = append(all, &Incarnation{UID: uid, Name: process.PodName, Node: process.Node, Driver: process})
		}
	}
	slices.SortFunc(all, func(a, b *Incarnation) int {
		return cmp.Or(a.created().Compare(b.created()), cmp.Compare(a.seq(), b.seq()), cmp.Compare(a.UID, b.UID))
	})
	for i, incarnation := range all {
		incarnation.Number = i + 1
	}
	return all
}

// launchBegan is the time before which no process can be the workload's: earlier ones are the baseline's.
func (m *Model) launchBegan() time.Time {
	if phase, ok := m.phases["launch"]; ok {
		return phase.At
	}
	return m.base
}

func (m *Model) isDriver(pod *Pod) bool {
	w := m.Workload
	if pod.Namespace != w.Namespace {
		return false
	}
	if w.DriverKind == "Job" {
		return pod.Owner.Kind == "Job" && pod.Owner.UID == w.DriverUID
	}
	return pod.UID == w.DriverUID || pod.Name == w.DriverName
}

// executors returns the executor pods that an incarnation owns, in the order in which they were seen.
func (m *Model) executors(incarnation *Incarnation) []*Pod {
	var all []*Pod
	for _, pod := range m.Pods {
		if pod.Namespace == m.Workload.Namespace && pod.Owner.UID == incarnation.UID && pod.Owner.Kind == "Pod" {
			all = append(all, pod)
		}
	}
	slices.SortFunc(all, func(a, b *Pod) int {
		return cmp.Or(cmp.Compare(a.Added.Seq, b.Added.Seq), cmp.Compare(a.UID, b.UID))
	})
	return all
}

// executorProcesses returns the executors' JVMs that an incarnation told that it is their driver, by pod UID.
func (m *Model) executorProcesses(incarnation *Incarnation) []*Process {
	var all []*Process
	for _, uid := range slices.Sorted(maps.Keys(m.Processes)) {
		if p := m.Processes[uid]; p.Role == roleExecutor && p.Incarnation == incarnation.UID {
			all = append(all, p)
		}
	}
	return all
}

// current returns the newest incarnation that ran at a time and had not ended then; if none did, the newest that was on a
// node, where it initialised; nil if there was none.
func current(all []*Incarnation, at time.Time) *Incarnation {
	for _, since := range []func(*Pod) Moment{
		func(p *Pod) Moment { return p.Running },
		func(p *Pod) Moment { return p.Placed },
	} {
		for _, incarnation := range slices.Backward(all) {
			if incarnation.Pod == nil || since(incarnation.Pod).Never() || since(incarnation.Pod).At.After(at) {
				continue
			}
			if gone := incarnation.Pod.Gone(); gone.Never() || gone.At.After(at) {
				return incarnation
			}
		}
	}
	return nil
}

// blow is a fault that struck the live driver.
type blow struct {
	fault  *Fault
	victim *Incarnation
}

// blows returns the landed faults that struck the live driver, in the order in which they began.
func (m *Model) blows(all []*Incarnation) []blow {
	var found []blow
	for _, fault := range m.landed() {
		victim := current(all, fault.Began.At)
		if victim != nil && fault.hits(victim.UID, victim.Node) {
			found = append(found, blow{fault, victim})
		}
	}
	return found
}

// landed returns the faults that landed on something that was there, in the order in which they began. A node that
// another fault holds down already is dead: whatever is done to it then strikes nobody.
func (m *Model) landed() []*Fault {
	var found []*Fault
	for _, fault := range m.Faults {
		if !fault.Landed.Never() && !m.heldByOther(fault) {
			found = append(found, fault)
		}
	}
	slices.SortStableFunc(found, func(a, b *Fault) int {
		return cmp.Or(a.Began.At.Compare(b.Began.At), cmp.Compare(a.Began.Seq, b.Began.Seq))
	})
	return found
}

// heldByOther says whether a fault struck a node that an earlier one still held.
func (m *Model) heldByOther(fault *Fault) bool {
	node := fault.node()
	return node != "" && slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		earlier := !f.Landed.Never() && f.node() == node && f.Began.At.Before(fault.Began.At)
		return f != fault && earlier && (f.Recovered.Never() || f.Recovered.At.After(fault.Began.At))
	})
}

// successor returns the incarnation that was created after another one, nil if there is none.
func successor(all []*Incarnation, of *Incarnation) *Incarnation {
	if of.Number < len(all) {
		return all[of.Number]
	}
	return nil
}

// nodesOf returns the nodes of incarnations that ran, sorted, without doubles.
func nodesOf(all []*Incarnation) []string {
	var names []string
	for _, incarnation := range all {
		if incarnation.Node != "" && (incarnation.Driver != nil || !incarnation.Pod.Running.Never()) {
			names = append(names, incarnation.Node)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

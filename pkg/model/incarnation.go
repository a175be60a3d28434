package model

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
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

// Created returns when the incarnation was seen first, by the API server or by the witness.
func (i *Incarnation) Created() time.Time {
	if i.Pod != nil {
		return i.Pod.Added.At
	}
	return i.Driver.Alive.First().At
}

func (i *Incarnation) seq() int64 {
	if i.Pod != nil {
		return i.Pod.Added.Seq
	}
	return i.Driver.Alive.First().Seq
}

// Incarnations are lives of the driver in the order of their creation.
type Incarnations []*Incarnation

// After returns the incarnation that was created after another one; nil if there is none.
func (all Incarnations) After(of *Incarnation) *Incarnation {
	if of.Number < len(all) {
		return all[of.Number]
	}
	return nil
}

// Incarnations returns the driver's lives in the order of their creation: the pods of the driver's Job, or the bare
// driver pod, and drivers that only the witness knows of.
func (m *Model) Incarnations() Incarnations {
	if m.Launched.Never() {
		return nil
	}
	var pods, unseen Incarnations
	for uid, pod := range m.Pods {
		if m.isDriver(pod) {
			pods = append(pods, &Incarnation{UID: uid, Name: pod.Name, Node: pod.Node, Pod: pod, Driver: m.Processes[uid]})
		}
	}
	for uid, process := range m.Processes {
		if m.Pods[uid] == nil && process.Role == RoleDriver && !process.Alive.First().At.Before(m.LaunchBegan()) {
			unseen = append(unseen, &Incarnation{UID: uid, Name: process.PodName, Node: process.Node, Driver: process})
		}
	}
	all := pods.byCreation().with(unseen)
	for i, incarnation := range all {
		incarnation.Number = i + 1
	}
	return all
}

// byCreation returns incarnations whose pods are known in the order of their creation. The API server's own word counts: after a gap the
// older pod may be seen last. It has the resolution of a second; within one, and if it is not known of all pods, the one that was seen
// first is the older.
func (all Incarnations) byCreation() Incarnations {
	unknown := slices.ContainsFunc(all, func(i *Incarnation) bool { return i.Pod.Created.IsZero() })
	return slices.SortedFunc(slices.Values(all), func(a, b *Incarnation) int {
		order := 0
		if !unknown {
			order = a.Pod.Created.Compare(b.Pod.Created)
		}
		return cmp.Or(order, bySight(a, b))
	})
}

// with returns incarnations with others that only the witness knows of: each before the first one that was seen later.
func (all Incarnations) with(unseen Incarnations) Incarnations {
	for _, incarnation := range slices.SortedFunc(slices.Values(unseen), bySight) {
		at := slices.IndexFunc(all, func(other *Incarnation) bool { return bySight(incarnation, other) < 0 })
		if at < 0 {
			at = len(all)
		}
		all = slices.Insert(all, at, incarnation)
	}
	return all
}

// bySight orders incarnations by when they were seen first.
func bySight(a, b *Incarnation) int {
	return cmp.Or(a.Created().Compare(b.Created()), cmp.Compare(a.seq(), b.seq()), cmp.Compare(a.UID, b.UID))
}

// LaunchBegan is the time before which no process can be the workload's: earlier ones are the baseline's.
func (m *Model) LaunchBegan() time.Time {
	if phase, ok := m.phases[history.PhaseLaunch]; ok {
		return phase.At
	}
	return m.base
}

func (m *Model) isDriver(pod *Pod) bool {
	w := m.Workload
	if pod.Namespace != w.Namespace {
		return false
	}
	if m.drivers != nil {
		another := w.DriverUID != "" && pod.Owner.UID != "" && pod.Owner.UID != w.DriverUID
		earlier := pod.Created.Before(w.DriversSince)
		return pod.Owner.Kind != "Pod" && !another && !earlier && m.drivers.Matches(labels.Set(pod.Labels))
	}
	if w.DriverKind == "Job" {
		return pod.Owner.Kind == "Job" && pod.Owner.UID == w.DriverUID
	}
	return pod.Owner.Kind != "Pod" && (pod.UID == w.DriverUID || pod.Name == w.DriverName) // not an executor, whatever it is called
}

// Executors returns the executor pods of an incarnation, in the order in which they were seen: those that it owns.
func (m *Model) Executors(incarnation *Incarnation) []*Pod {
	var all []*Pod
	for _, pod := range m.Pods {
		if m.mayExecute(pod) && m.driverOf(pod) == incarnation.UID {
			all = append(all, pod)
		}
	}
	slices.SortFunc(all, func(a, b *Pod) int {
		return cmp.Or(cmp.Compare(a.Added.Seq, b.Added.Seq), cmp.Compare(a.UID, b.UID))
	})
	return all
}

// mayExecute reports whether a pod is an executor by what it says itself: a pod owns it, or the executors' labels say so.
func (m *Model) mayExecute(pod *Pod) bool {
	if pod.Namespace != m.Workload.Namespace {
		return false
	}
	if m.executors == nil {
		return pod.Owner.Kind == "Pod"
	}
	return (pod.Owner.Kind == "Pod" || pod.Owner.UID == "") && m.executors.Matches(labels.Set(pod.Labels))
}

// driverOf returns the UID of the driver that an executor belongs to: its owner, or without one the newest that was made before it. A
// driver in client mode that was not told its own pod's name owns nothing.
func (m *Model) driverOf(executor *Pod) string {
	if executor.Owner.UID != "" {
		return executor.Owner.UID
	}
	var newest *Pod
	for _, pod := range m.Pods {
		if !m.isDriver(pod) || pod.Created.After(executor.Created) {
			continue
		}
		if newest == nil || cmp.Or(newest.Created.Compare(pod.Created), cmp.Compare(newest.Added.Seq, pod.Added.Seq)) < 0 {
			newest = pod
		}
	}
	if newest == nil {
		return ""
	}
	return newest.UID
}

// ExecutorProcesses returns the executors' JVMs that an incarnation told that it is their driver, by pod UID.
func (m *Model) ExecutorProcesses(incarnation *Incarnation) []*Process {
	var all []*Process
	for _, uid := range slices.Sorted(maps.Keys(m.Processes)) {
		if p := m.Processes[uid]; p.Role == RoleExecutor && p.Incarnation == incarnation.UID {
			all = append(all, p)
		}
	}
	return all
}

// DriverLoss is a fault that cost the application its driver.
type DriverLoss struct {
	Fault  *Fault
	Driver *Incarnation
	At     Moment // when the driver ended, or nobody counted on it any more
}

// DriverLosses returns the landed faults that cost the live driver, in the order in which they began. Of several that hit one driver the
// last one before its loss is to blame: it had survived the others until then.
func (m *Model) DriverLosses(all Incarnations) []DriverLoss {
	var found []DriverLoss
	for _, fault := range m.Landed() {
		victim := all.Current(fault.Began.At)
		if victim == nil {
			continue
		}
		if lost := m.Cost(fault, victim.Pod, victim.Driver, victim.endingAt(fault.Began)); !lost.Never() {
			found = append(found, DriverLoss{fault, victim, lost})
		}
	}
	return slices.DeleteFunc(slices.Clone(found), func(b DriverLoss) bool {
		return slices.ContainsFunc(found, func(other DriverLoss) bool {
			later := other.Fault != b.Fault && other.Driver == b.Driver && b.Fault.Began.Before(other.Fault.Began)
			return later && !other.Fault.Began.At.After(firstLoss(found, b.Driver).At)
		}) || b.Fault.Began.At.After(firstLoss(found, b.Driver).At)
	})
}

// firstLoss returns when a driver was lost first, as any of the faults shows it.
func firstLoss(all []DriverLoss, victim *Incarnation) Moment {
	var first Moment
	for _, b := range all {
		if b.Driver == victim {
			first.KeepEarlier(b.At)
		}
	}
	return first
}

// endingAt returns when the driver had begun to end by itself, if it had by a moment; Never if it had not.
func (i *Incarnation) endingAt(at Moment) Moment {
	if i.Driver == nil || i.Driver.Stopping.Never() || at.Before(i.Driver.Stopping) {
		return Moment{}
	}
	return i.Driver.Stopping
}

// Succession reports whether a fault cost a driver that ran, so that it is to have a successor. One that was lost while it
// initialised left nothing that a successor could collide with.
func (m *Model) Succession(all Incarnations) bool {
	return slices.ContainsFunc(m.DriverLosses(all), func(b DriverLoss) bool {
		return !b.Driver.Pod.Running.Never() && !b.Driver.Pod.Running.At.After(b.Fault.Began.At)
	})
}

// Landed returns the faults that landed on something that was there, in the order in which they began. Where another fault had
// ended all processes of a node before, and was not undone, nobody is left to be hit.
func (m *Model) Landed() []*Fault {
	var found []*Fault
	for _, fault := range m.Faults {
		if !fault.Landed.Never() && !m.deadAlready(fault) {
			found = append(found, fault)
		}
	}
	slices.SortStableFunc(found, func(a, b *Fault) int {
		return cmp.Or(a.Began.At.Compare(b.Began.At), cmp.Compare(a.Began.Seq, b.Began.Seq))
	})
	return found
}

// deadAlready reports whether a fault hit a node whose processes an earlier one had ended for as long as it lasted.
func (m *Model) deadAlready(fault *Fault) bool {
	node := fault.Node()
	return node != "" && len(fault.Targets) == 1 && slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		earlier := !f.Landed.Never() && f.Hits("", node) && f.Began.At.Before(fault.Began.At)
		return f != fault && earlier && f.does(endsProcesses) && f.Until().After(fault.Began.At)
	})
}

// explained reports whether a fault cost an incarnation: the driver that was current when it began, or one that was put on a node that it
// held then.
func (m *Model) explained(all Incarnations, victim *Incarnation) bool {
	return slices.ContainsFunc(m.DriverLosses(all), func(b DriverLoss) bool { return b.Driver == victim }) ||
		slices.ContainsFunc(m.Faults, func(f *Fault) bool { return m.putUnder(f, victim) })
}

// putUnder reports whether an incarnation was put on a node while a fault held it, and lost because of that.
func (m *Model) putUnder(f *Fault, i *Incarnation) bool {
	if f.Landed.Never() || i.Pod == nil || i.Pod.Placed.Never() || !f.Began.Before(i.Pod.Placed) || !i.Pod.Placed.At.Before(f.Until()) {
		return false
	}
	return !i.Pod.EndedSince(i.Pod.Placed.At).Never() && !m.Cost(f, i.Pod, i.Driver, i.Stopping()).Never()
}

// Unexplained returns what is wrong with the incarnations that no fault explains: each after the first takes the place of one that a
// fault cost.
func (m *Model) Unexplained() []string {
	all := m.Incarnations()
	var why []string
	for i, incarnation := range all {
		if i == 0 || m.explained(all, all[i-1]) {
			continue
		}
		why = append(why, fmt.Sprintf("no fault explains why %s, on node %s, was replaced by %s", all[i-1], cmp.Or(all[i-1].Node, "none"),
			incarnation))
	}
	return why
}

// NodesOf returns the nodes of incarnations that ran or may have run, sorted, without doubles.
func (m *Model) NodesOf(all Incarnations) []string {
	var names []string
	for _, incarnation := range all {
		if incarnation.Node != "" && m.mayHaveRun(incarnation) {
			names = append(names, incarnation.Node)
		}
	}
	return wording.Distinct(names)
}

// mayHaveRun reports whether an incarnation ran, or was placed on a node where it could start without the API server's knowledge: a
// fault hit the node.
func (m *Model) mayHaveRun(i *Incarnation) bool {
	if i.Driver != nil || !i.Pod.Running.Never() {
		return true
	}
	if i.Pod.Placed.Never() {
		return false
	}
	until := m.Horizon().At
	if gone := i.Pod.Gone(); !gone.Never() {
		until = gone.At
	}
	return m.HeldWithin(i.Node, i.Pod.Placed.At, until)
}

// Belongs reports whether a pod is part of the application: a driver of it, an executor of one of those, or a component that it uses. The
// witness and the reader of outputs are the harness's; other applications may have drivers and executors in the same namespace.
func (m *Model) Belongs(pod *Pod) bool {
	switch {
	case pod.Namespace != m.Workload.Namespace || pod.Component == history.RoleWitness || pod.Component == history.RoleOutputReader:
		return false
	case pod.Component != "" || m.isDriver(pod):
		return true
	case !m.mayExecute(pod):
		return false
	}
	of := m.driverOf(pod)
	if driver := m.Pods[of]; driver != nil {
		return m.isDriver(driver)
	}
	p := m.Processes[of]
	return p != nil && p.Role == RoleDriver
}

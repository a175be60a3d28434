package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Fault is the life of one fault as its journal tells it.
type Fault struct {
	Name, Kind string
	// Targets are what it hit; none if it left running what runs there. Named are all that it was aimed at.
	Targets, Named []history.Object
	// Began is when it began to act: At is the time that the fault itself gives, Seq the event that proves the landing.
	Began        Moment
	Injecting    Moment
	Landed       Moment
	DidNotLand   Moment
	Recovered    Moment
	NotRecovered Moment
	Effects      []history.Effect
	Leaves       bool   // what runs on its targets is left alone
	Reason       string // of the last failure
	Step         string // the type of the newest event of its life
	StepReason   string // that event's own reason; empty if it gives none
	Lapsed       string // why it was not in effect any more before it was undone; empty if it held as far as anybody looked
}

func (m *Model) observeFault(e *history.Event, at Moment) error {
	var data history.FaultData
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	if data.Fault == "" {
		return fmt.Errorf("it does not name the fault")
	}
	fault := m.Fault(data.Fault)
	if fault == nil {
		fault = &Fault{Name: data.Fault, Kind: data.Kind}
		m.Faults = append(m.Faults, fault)
	}
	if fault.Landed.Never() { // what a fault hit, and how, is what its landing proved
		fault.aimedAt(data)
	}
	if why := data.Detail[history.DidNotHold]; why != "" && !fault.Landed.Never() {
		fault.Lapsed = why
	}
	fault.Step, fault.StepReason = e.Type, data.Reason
	switch e.Type {
	case history.FaultInjecting:
		fault.Injecting.KeepEarlier(at)
		m.injectedAhead[data.Fault] = e.Wall.Sub(at.At)
		m.doubtClocks(fault, data)
	case history.FaultLanded:
		if !m.once(fault.Landed, at, "fault "+data.Fault+" landed") {
			return nil
		}
		for _, earlier := range []Moment{fault.DidNotLand, fault.Recovered} {
			m.contradiction(data.Fault, earlier, at)
		}
		fault.Landed, fault.Began = at, m.began(fault, at, e.Wall, data.Began)
	case history.FaultDidNotLand:
		m.contradiction(data.Fault, fault.Landed, at)
		fault.DidNotLand.KeepEarlier(at)
		fault.Reason = data.Reason
	case history.FaultRecovered:
		fault.Recovered.KeepEarlier(at)
	case history.FaultNotRecovered:
		fault.NotRecovered.KeepLater(at)
		fault.Reason = data.Reason
	case history.FaultJournaled, history.FaultRecovering:
	default:
		return fmt.Errorf("faults have no such event")
	}
	return nil
}

// aimedAt notes the targets of a fault and what it does to them.
func (f *Fault) aimedAt(data history.FaultData) {
	if len(data.Effects) > 0 {
		f.Effects = data.Effects
	}
	if len(data.Targets) == 0 {
		return
	}
	f.Leaves, f.Targets = data.LeavesRunning || len(f.effects()) == 1 && f.does(marks), nil
	f.Named = data.Targets
	if !f.Leaves {
		f.Targets = data.Targets
	}
}

// contradiction notes that two events about a fault exclude each other: a fault that landed cannot have failed to land, or have been undone
// before.
func (m *Model) contradiction(fault string, earlier, at Moment) {
	if !earlier.Never() {
		m.trouble(at, "event %d about fault %s contradicts event %d: a fault lands once, before it is undone, or not at all", at.Seq, fault,
			earlier.Seq)
	}
}

// began returns when a fault that landed began to act: after its injection was begun, and before it was proven. The fault knows the wall
// clock alone, so what counts is how long ago it was. If it does not say when, or that clock was set in between, any time of these may
// be the right one.
func (m *Model) began(fault *Fault, landed Moment, wall time.Time, told *time.Time) Moment {
	began := landed
	set := (wall.Sub(landed.At) - m.injectedAhead[fault.Name]).Abs() > stepTolerance
	if told == nil || set && !fault.Injecting.Never() {
		began.Since = fault.Injecting.At
		return began
	}
	began.At = landed.At.Add(-max(0, wall.Sub(*told)))
	if fault.Injecting.At.Sub(began.At) > clockTolerance && !fault.Injecting.Never() {
		began.At = fault.Injecting.At
	}
	return began
}

// doubtClocks notes whose times are not believed from now on: nobody knows when exactly a clock was put wrong, and set right.
func (m *Model) doubtClocks(fault *Fault, data history.FaultData) {
	if !fault.does(skews) {
		return
	}
	for _, target := range data.Targets {
		m.skewed[target.UID] = true
	}
}

// Fault returns the fault with a name; nil if nothing was seen of it.
func (m *Model) Fault(name string) *Fault {
	for _, fault := range m.Faults {
		if fault.Name == name {
			return fault
		}
	}
	return nil
}

// Undone reports that the fault's last known state is that it was undone; a failed recovery may have been tried again.
func (f *Fault) Undone() bool {
	return !f.Recovered.Never() && !f.NotRecovered.At.After(f.Recovered.At)
}

// Hits reports whether the fault hit a pod: itself, or the node that carried it.
func (f *Fault) Hits(uid, node string) bool {
	return slices.ContainsFunc(f.Targets, func(target history.Object) bool {
		return target.Kind == "Pod" && target.UID != "" && target.UID == uid ||
			target.Kind == "Node" && node != "" && target.Name == node
	})
}

// Node returns the node that the fault hit as a whole, empty if it hit pods.
func (f *Fault) Node() string {
	for _, target := range f.Targets {
		if target.Kind == "Node" {
			return target.Name
		}
	}
	return ""
}

// Until returns the end of the time in which the fault was in effect; one that was not undone continues.
func (f *Fault) Until() time.Time {
	if f.Recovered.Never() {
		return time.Unix(1<<40, 0)
	}
	return f.Recovered.At
}

// HidWithin reports whether a fault hid what happens on a node at any time between two, in which its processes may have lived on: they were
// cut off or stood still, or the node's kubelet did. What the API server says about its pods is worth nothing then.
func (m *Model) HidWithin(node string, from, to time.Time) bool {
	return slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		hides := !f.does(endsProcesses) && (f.mayDo(cutsNetwork) || f.does(pauses) || f.does(silences))
		return hides && !f.Landed.Never() && f.Hits("", node) && !f.Began.At.After(to) && f.Until().After(from)
	})
}

// HeldWithin reports whether a fault held a node at any time between two.
func (m *Model) HeldWithin(node string, from, to time.Time) bool {
	return slices.ContainsFunc(m.Faults, func(f *Fault) bool {
		return !f.Landed.Never() && f.Hits("", node) && !f.Began.At.After(to) && f.Until().After(from)
	})
}

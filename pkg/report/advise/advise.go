package advise

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// Range is between which times a delay is expected to be. The zero Range says that no setting predicts it.
type Range struct {
	Least time.Duration `json:"least"`
	Most  time.Duration `json:"most"`
}

func around(least, most time.Duration) Range { return Range{Least: max(0, least), Most: max(0, most)} }

// Middle is what is expected on average.
func (r Range) Middle() time.Duration { return (r.Least + r.Most) / 2 }

// Known reports whether anything is expected.
func (r Range) Known() bool { return r.Most > 0 }

func (r Range) String() string {
	switch {
	case !r.Known():
		return ""
	case r.Least == r.Most:
		return wording.Duration(r.Least)
	default:
		return wording.Duration(r.Least) + " to " + wording.Duration(r.Most)
	}
}

// Delay is a part of the recovery from a fault, or of what the fault left behind.
type Delay struct {
	Fault    string        `json:"fault"`
	Name     string        `json:"name"`
	Took     time.Duration `json:"took"`
	Open     bool          `json:"open,omitempty"` // it had not ended when the record ended, or what it waited for
	From     int64         `json:"from"`           // the events between which it lies
	To       int64         `json:"to"`
	Settings []Setting     `json:"settings,omitempty"` // that govern it
	Expected Range         `json:"expected"`           // what they predict
	Why      string        `json:"why"`
	Beside   bool          `json:"beside,omitempty"` // it makes the recovery no longer, but costs something else
}

// compared adds how a delay differs from what its settings predict.
func (d Delay) compared() Delay {
	switch {
	case !d.Expected.Known():
	case d.Took > d.Expected.Most && d.Took-d.Expected.Most > least:
		d.Why += fmt.Sprintf(" It took %s longer than these settings explain.", wording.Duration(d.Took-d.Expected.Most))
	case d.Took < d.Expected.Least && !d.Open && d.Expected.Least-d.Took > least:
		d.Why += fmt.Sprintf(" It took %s less than these settings predict: something else ended it sooner.",
			wording.Duration(d.Expected.Least-d.Took))
	}
	return d
}

// Advice is a change that would have made a delay shorter.
type Advice struct {
	Delay    Delay         `json:"delay"`
	Change   Change        `json:"change"`
	Expected Range         `json:"expected"` // of the delay, after the change
	Gain     time.Duration `json:"gain"`     // predicted
	Cost     string        `json:"cost"`     // what the change trades away
}

// Report is what a record says about the time that recoveries took.
type Report struct {
	Delays  []Delay  `json:"delays"`
	Advices []Advice `json:"advices"`
	Note    string   `json:"note,omitempty"`
}

// least is the gain below which a change is not worth a word.
const least = 500 * time.Millisecond

// Of explains the recoveries of a run, whose record was observed by a model. The advices are in the order of their gain.
func Of(m *model.Model) (Report, error) {
	var report Report
	if len(m.Run.Plan) == 0 {
		report.Note = "The record has no plan, so the settings of the run are not known."
		return report, nil
	}
	set, err := readSettings(json.RawMessage(m.Run.Plan))
	if err != nil {
		return report, err
	}
	if set.Cluster.Timing == "fast" {
		report.Note = "The cluster has the timing fast: with Kubernetes' defaults (timing: production) a dead node is noticed ten times later."
	}
	for _, r := range recoveries(m, set) {
		for _, part := range parts(r) {
			report.Delays = append(report.Delays, part.delay.compared())
			if advice := part.advice(); advice != nil {
				report.Advices = append(report.Advices, *advice)
			}
		}
	}
	report.Advices = best(report.Advices)
	return report, nil
}

// best returns the advices that are worth a word in the order of their gain, each change once: with the delay that it shortens most. What
// makes the recovery shorter comes before what does not.
func best(all []Advice) []Advice {
	slices.SortStableFunc(all, func(a, b Advice) int {
		return cmp.Or(compare(a.Delay.Beside, b.Delay.Beside), cmp.Compare(b.Gain, a.Gain))
	})
	var kept []Advice
	for _, a := range all {
		known := slices.ContainsFunc(kept, func(k Advice) bool { return k.Change.equal(a.Change) })
		if a.Gain >= least && !known {
			kept = append(kept, a)
		}
	}
	return kept
}

// compare orders false before true.
func compare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// recovery is the recovery from one fault.
type recovery struct {
	m         *model.Model
	set       settings
	all       model.Incarnations
	fault     *model.Fault
	driver    *model.DriverLoss     // nil if it did not cost the driver
	executors []*model.ExecutorLoss // that it cost a driver that lived on
	phases    map[string]check.Phase
}

// recoveries returns the recovery from each fault that landed.
func recoveries(m *model.Model, set settings) []recovery {
	incarnations := m.Incarnations()
	drivers, executors, phases := m.DriverLosses(incarnations), m.ExecutorLosses(incarnations), check.Phases(m)
	var all []recovery
	for _, fault := range m.Landed() {
		r := recovery{
			m: m, set: set, all: incarnations, fault: fault, executors: model.OfFault(executors, fault), phases: map[string]check.Phase{},
		}
		if i := slices.IndexFunc(drivers, func(l model.DriverLoss) bool { return l.Fault == fault }); i >= 0 {
			r.driver = &drivers[i]
		}
		for _, phase := range phases {
			if phase.Fault == fault.Name {
				r.phases[phase.Name] = phase
			}
		}
		all = append(all, r)
	}
	return all
}

// delay returns a phase as a delay; false if the recovery has none of that name.
func (r recovery) delay(phase string) (Delay, bool) {
	p, there := r.phases[phase]
	return Delay{Fault: p.Fault, Name: p.Name, Took: p.Duration, From: p.From, To: p.To}, there
}

// part is a delay with what would make it shorter.
type part struct {
	delay    Delay
	change   Change
	expected Range
	cost     string
}

// advice returns the change with what it promises; nil if there is none that would help.
func (p part) advice() *Advice {
	if p.change.empty() {
		return nil
	}
	gain := p.delay.Took - p.expected.Middle()
	if p.delay.Open { // what was seen of it is less than it would have been
		gain = max(gain, p.delay.Expected.Middle()-p.expected.Middle())
	}
	if gain <= 0 {
		return nil
	}
	return &Advice{Delay: p.delay, Change: p.change, Expected: p.expected, Gain: gain, Cost: p.cost}
}

// parts returns the delays of a recovery in the order in which they follow each other. A new one needs a line here and a function.
func parts(r recovery) []part {
	var all []part
	for _, explain := range []func(recovery) (part, bool){
		detection, eviction, rescheduling, driverStart, lossNoticed, objectGone, executorsBack, firstProgress, staleExecutors,
	} {
		if found, ok := explain(r); ok {
			all = append(all, found)
		}
	}
	return all
}

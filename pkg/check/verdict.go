// Package check judges a history. A checker is a pure function of the events: no clock, no cluster, no random choice.
package check

import "time"

// Verdict is the judgement of an invariant or of a whole run.
type Verdict string

// The verdicts, from worst to best as far as precedence goes: a violation outranks everything.
const (
	Violation    Verdict = "violation"    // the invariant was broken, and events prove it
	Error        Verdict = "error"        // the cluster or the environment failed
	Inconclusive Verdict = "inconclusive" // too little was seen to judge: a fault did not land, a checker lacked observations or failed
	Pass         Verdict = "pass"         // held over the whole history
)

// Result is the judgement of one invariant.
type Result struct {
	Invariant   string         `json:"invariant"`
	Verdict     Verdict        `json:"verdict"`
	Message     string         `json:"message"`               // one sentence, in words a user understands
	Measured    string         `json:"measured,omitempty"`    // e.g. "14.2s", "2 incarnations"
	Bound       string         `json:"bound,omitempty"`       // e.g. "60s"
	Evidence    []int64        `json:"evidence,omitempty"`    // the smallest set of events that proves the verdict, by sequence number
	Assumptions []Assumption   `json:"assumptions,omitempty"` // what the checker needed and whether it was so
	Phases      []Phase        `json:"phases,omitempty"`      // of recoveryWithin
	Narrative   []EvidenceLine `json:"narrative,omitempty"`   // the evidence in words, in the order of time

	// Ground and Window say what a violation rests on. The judgement of the whole run weighs them against what is wrong with the record,
	// and clears them.
	Ground Ground `json:"-"`
	Window Window `json:"-"`
}

// Assumption is something without which a checker cannot judge.
type Assumption struct {
	What string `json:"what"`
	Held bool   `json:"held"`
}

// Phase is a part of the recovery from one fault.
type Phase struct {
	Fault    string        `json:"fault"`
	Name     string        `json:"name"` // detection, eviction, rescheduling, driver start, executors back, first progress
	Duration time.Duration `json:"duration"`
	Bound    time.Duration `json:"bound,omitempty"`
	From     int64         `json:"from"` // sequence numbers of the events between which it lies
	To       int64         `json:"to"`
}

// EvidenceLine tells one event in words.
type EvidenceLine struct {
	Seq    int64         `json:"seq"`
	Offset time.Duration `json:"offset"`
	Text   string        `json:"text"`
}

// RunVerdict is verdict.json.
type RunVerdict struct {
	FormatVersion int      `json:"formatVersion"`
	Verdict       Verdict  `json:"verdict"`
	Reason        string   `json:"reason"` // why, in one sentence
	Scenario      string   `json:"scenario"`
	Seed          uint64   `json:"seed"`
	RunID         string   `json:"runID"`
	Recorded      string   `json:"recorded,omitempty"` // the release that recorded the history
	HistorySHA256 string   `json:"historySHA256"`
	Events        int64    `json:"events"`
	Control       *Control `json:"control,omitempty"` // set when the scenario is a control
	Results       []Result `json:"results"`
	Faults        []Landed `json:"faults,omitempty"`
}

// Control says how a control was to end and how it did. A control that ends as expected makes the run's verdict a pass.
type Control struct {
	Expected   Verdict  `json:"expected"`
	Invariants []string `json:"invariants,omitempty"` // that had to be violated
	NotLanded  []string `json:"notLanded,omitempty"`  // faults that had not to land
	Judged     Verdict  `json:"judged"`               // the verdict by the invariants alone
	AsExpected bool     `json:"asExpected"`
	Wrong      string   `json:"wrong,omitempty"` // why it did not end as expected
}

// Landed reports whether a fault was proven to have landed and to have been undone.
type Landed struct {
	Fault     string `json:"fault"`
	Kind      string `json:"kind"`
	Landed    bool   `json:"landed"`
	Lapsed    bool   `json:"lapsed,omitempty"` // it was not in effect any more before it was undone
	Recovered bool   `json:"recovered"`
	Reason    string `json:"reason,omitempty"`
	Evidence  int64  `json:"evidence,omitempty"` // sequence number of the event that proves the landing
}

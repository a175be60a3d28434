package model

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Moment is when something happened, and the event that says so. The zero Moment means never.
type Moment struct {
	Seq int64
	// At is the time on the harness's monotonic clock at which it had happened. The times of witness records are corrected
	// by the measured offset of their node's clock.
	At time.Time
	// Since is the earliest time at which it may have happened, if that is earlier than At: it was seen late. Zero: at At.
	Since time.Time
	// Slack is how uncertain At is either way, because another clock than the harness's told it.
	Slack time.Duration
}

// Never reports whether it did not happen, as far as the history shows.
func (m Moment) Never() bool { return m.Seq == 0 }

// Earliest returns the earliest time at which it may have happened.
func (m Moment) Earliest() time.Time {
	if m.Since.IsZero() || m.Since.After(m.At) {
		return m.At
	}
	return m.Since
}

// Lapse is how long something took: least for certain, and most at the most.
type Lapse struct{ Least, Most time.Duration }

// Lapse returns the time from one moment to another.
func (m *Model) Lapse(from, to Moment) Lapse {
	slack := from.Slack + to.Slack
	return Lapse{
		Least: max(0, to.Earliest().Sub(from.At)-slack),
		Most:  max(0, to.At.Sub(from.Earliest())+slack),
	}
}

// String writes the time that was measured, and how much earlier it may have been.
func (l Lapse) String() string {
	if l.Most-l.Least < resolution {
		return wording.Duration(l.Most)
	}
	return wording.Duration(l.Least) + " to " + wording.Duration(l.Most)
}

// resolution is the precision with which times of Kubernetes objects can be compared.
const resolution = 2 * time.Second

// KeepEarlier keeps the earlier of the two moments; of equal times the one that is earlier in the history.
func (m *Moment) KeepEarlier(other Moment) {
	if m.Never() || other.Before(*m) {
		*m = other
	}
}

// KeepLater keeps the later of the two moments; of equal times the one that is later in the history.
func (m *Moment) KeepLater(other Moment) {
	if m.Never() || m.Before(other) {
		*m = other
	}
}

// Before reports whether a moment was before another one; of equal times the one that is earlier in the history is.
func (m Moment) Before(other Moment) bool {
	return cmp.Or(m.At.Compare(other.At), cmp.Compare(m.Seq, other.Seq)) < 0
}

// Model is what the events so far say, in the terms in which invariants are stated. Its memory grows with the objects
// that were ever seen (pods, nodes, executors, results, batches; tasks only if the plan asks about them), some hundred bytes each,
// and with the events by four bytes for each record of a process.
type Model struct {
	Run       history.RunData
	Started   Moment // of the run
	base      time.Time
	Launched  Moment
	Workload  history.WorkloadData
	drivers   labels.Selector // of the drivers' pods; nil: they are known by the Job or the name
	executors labels.Selector // of the executors' pods; nil: they are known by their driver
	Last      Moment          // the newest event
	Ended     Moment          // of the run; Never if the harness was killed
	End       history.RunEndData
	Events    int64

	Pods   map[string]*Pod  // by UID
	Nodes  map[string]*Node // by name
	Faults []*Fault         // in the order of their first events

	Processes map[string]*Process // JVMs, by pod UID
	Ledger    Ledger
	Streams   Streams
	Refused   []Refusal
	Artifacts Artifacts
	Progress  *Progress // nil if it is not kept

	Outputs map[string]Output // of the application, by name

	Baseline       *history.BaselineData
	BaselineAt     Moment
	Clocks         map[string]Clock // by node; nil if nobody asked them, as where all nodes have one clock
	Conflicts      []history.ConflictData
	Loads          []Load
	Exported       history.SpansData      // by the cluster's components
	ExportedAt     Moment                 // Never if the run received no spans of theirs
	Collected      map[string]*Collection // by node
	Leftovers      *history.LeftoversData
	LeftoversAt    Moment
	Gaps           []GapSeen
	Missed         []MissedAnchor
	Problems       []Trouble
	Unreadable     map[string]int // events that could not be read, by the kind of their object; of others by their type
	phases         map[string]Moment
	drift          time.Duration       // the most by which the harness's wall clock left its monotonic clock
	Jobs           map[string]*Job     // by UID
	lateUntil      map[string]gapTime  // by kind
	writers        map[string]*writer  // by the UID in witness records
	unplaced       map[string]Unplaced // by pod UID
	refusedRecords map[recordID]bool
	skewed         map[string]bool // pods whose JVM's clock a fault put wrong, by UID
	// by how much the wall clock was ahead of the monotonic one as the injection of a fault began, by its name
	injectedAhead map[string]time.Duration
	wantsTasks    func(history.RunData) bool
	keepsTasks    bool // a stream has millions of them, which most invariants have no use for
	decoder       history.WitnessDecoder
	record        history.WitnessRecord
}

// recordID recognises a witness record that came twice.
type recordID struct {
	podUID string
	seq    int64
}

// Collection says how complete the evidence of a node's disk is.
type Collection struct {
	At   Moment
	Data history.CollectionData
}

// GapSeen is a time in which the harness could not see what happened to a kind of object.
type GapSeen struct {
	Kind   string
	At     Moment // its end
	Data   history.GapData
	Outage bool // nothing was missed: it was seen late
}

func (g GapSeen) begin() time.Time { return g.At.At.Add(-g.Data.For) }

// gapTime is a time in which a kind of object was not seen, and until when what is seen of it may be older.
type gapTime struct{ begin, until time.Time }

// catchUp is how long after a gap or an outage what is seen may have happened within it.
const catchUp = 2 * time.Second

// Load is how busy the machine of the harness was in a time that ends at a moment.
type Load struct {
	At   Moment
	Data history.LoadData
}

// MissedAnchor is a step's anchor that never came.
type MissedAnchor struct {
	At   Moment
	Data history.AnchorData
}

// Trouble is something that may have cost evidence.
type Trouble struct {
	At   Moment
	Text string
}

// Option changes what a model keeps.
type Option func(*Model)

// KeepTasks keeps stages and tasks of runs for which wanted is true. It is asked once, with the data of the event that opens the history.
func KeepTasks(wanted func(history.RunData) bool) Option {
	return func(m *Model) { m.wantsTasks = wanted }
}

// New returns the model of a history without events.
func New(options ...Option) *Model {
	m := &Model{
		Pods: map[string]*Pod{}, Nodes: map[string]*Node{}, Processes: map[string]*Process{},
		Jobs: map[string]*Job{}, lateUntil: map[string]gapTime{}, writers: map[string]*writer{},
		Collected: map[string]*Collection{}, phases: map[string]Moment{}, refusedRecords: map[recordID]bool{},
		Unreadable: map[string]int{}, unplaced: map[string]Unplaced{}, skewed: map[string]bool{}, injectedAhead: map[string]time.Duration{},
		Streams:   newStreams(),
		Artifacts: Artifacts{Begun: map[string]Fetch{}, known: map[recordID]bool{}},
		Outputs:   map[string]Output{},
		Ledger:    Ledger{known: map[recordID]bool{}, Commits: map[string][]Commit{}},
	}
	for _, option := range options {
		option(m)
	}
	return m
}

// Observe takes the next event. Data that cannot be read is a problem of the history, never an error. The event's
// memory is not kept.
func (m *Model) Observe(e *history.Event) {
	if m.Events == 0 {
		m.base = e.Wall.Add(-e.Offset)
	}
	at := Moment{Seq: e.Seq, At: m.base.Add(e.Offset)}
	m.drift = max(m.drift, e.Wall.Sub(at.At).Abs())
	if e.Seq <= 0 {
		m.trouble(at, "an event has the sequence number %d", e.Seq)
		at.Seq = m.Last.Seq
	}
	m.Events++
	m.Last.KeepLater(at)
	var err error
	switch e.Source {
	case history.Witness:
		err = m.observeWitness(e, at)
	case history.Kubernetes:
		err = m.observeKubernetes(e, at)
	case history.Fault:
		err = m.observeFault(e, at)
	case history.Harness:
		err = m.observeHarness(e, at)
	case history.Staging:
		err = m.observeStaging(e, at)
	case history.Node:
	default:
		err = errors.New("events have no such source")
	}
	if err != nil {
		m.Unreadable[subject(e)]++
		m.trouble(at, "event %d (%s/%s) cannot be read: %v", e.Seq, e.Source, e.Type, err)
	}
}

// subject names what an event is about.
func subject(e *history.Event) string {
	if e.Source == history.Kubernetes && e.Object != nil {
		return e.Object.Kind
	}
	return e.Type
}

// maxTroubles bounds what a history that is damaged throughout can cost.
const maxTroubles = 50

func (m *Model) trouble(at Moment, format string, args ...any) {
	if len(m.Problems) < maxTroubles {
		m.Problems = append(m.Problems, Trouble{At: at, Text: fmt.Sprintf(format, args...)})
	}
}

func (m *Model) observeKubernetes(e *history.Event, at Moment) error {
	if e.Object == nil {
		return fmt.Errorf("it does not say which object it is about")
	}
	if e.Type == history.Gap || e.Type == history.Outage {
		return m.observeGap(e, at)
	}
	if e.Type != history.Added && e.Type != history.Modified && e.Type != history.Deleted {
		return errors.New("objects have no such event")
	}
	if m.cleaning() {
		return nil // what the harness does to its own objects is no evidence about the application
	}
	if late, ok := m.lateUntil[e.Object.Kind]; ok && !at.At.After(late.until) {
		at.Since = late.begin
	}
	switch e.Object.Kind {
	case "Pod":
		return m.observePod(e, at)
	case "Node":
		return m.observeNode(e, at)
	case "Job":
		return m.observeJob(e, at)
	case "SparkApplication":
		return m.observeApplication(e, at)
	case "Event":
		return m.observeEvent(e, at)
	default:
		return nil
	}
}

// phaseCollect is the phase of a run in which the nodes' disks are read.
const phaseCollect = "collect"

// PhaseCleanUp is the last phase of a run, in which the harness undoes and removes what it made.
const PhaseCleanUp = "cleanup"

// Phase returns when a phase of the run began; Never if it did not.
func (m *Model) Phase(name string) Moment { return m.phases[name] }

// CurrentPhase returns the newest phase of the run and when it began; empty and Never before the first one.
func (m *Model) CurrentPhase() (name string, began Moment) {
	for each, at := range m.phases {
		if at.Seq > began.Seq {
			name, began = each, at
		}
	}
	return name, began
}

// cleaning reports whether the clean-up has begun.
func (m *Model) cleaning() bool { return !m.Phase(PhaseCleanUp).Never() }

// observeGap notes a time in which a kind of object was not seen. One that is told during the
// clean-up counts if it began before.
func (m *Model) observeGap(e *history.Event, at Moment) error {
	gap := GapSeen{Kind: e.Object.Kind, At: at, Outage: e.Type == history.Outage}
	if err := json.Unmarshal(e.Data, &gap.Data); err != nil {
		return err
	}
	if m.cleaning() && !gap.begin().Before(m.phases[PhaseCleanUp].At) {
		return nil
	}
	m.Gaps = append(m.Gaps, gap)
	m.lateUntil[gap.Kind] = gapTime{begin: gap.begin(), until: at.At.Add(catchUp)}
	return nil
}

// once notes that something was told a second time that happens once in a run, and reports whether it is the first time.
func (m *Model) once(first Moment, at Moment, what string) bool {
	if first.Never() {
		return true
	}
	m.trouble(at, "event %d tells once more that %s, which event %d did: two records were joined, or something was repeated", at.Seq, what,
		first.Seq)
	return false
}

// selectPods takes in by which labels the pods of drivers and executors are known.
func (m *Model) selectPods() error {
	for _, one := range []struct {
		whose, text string
		into        *labels.Selector
	}{{"drivers", m.Workload.DriverSelector, &m.drivers}, {"executors", m.Workload.ExecutorSelector, &m.executors}} {
		if one.text == "" {
			continue
		}
		selector, err := labels.Parse(one.text)
		if err != nil {
			return fmt.Errorf("the selector of the %s' pods: %w", one.whose, err)
		}
		*one.into = selector
	}
	return nil
}

func (m *Model) observeHarness(e *history.Event, at Moment) error {
	switch e.Type {
	case history.RunStarted:
		if !m.once(m.Started, at, "the run began") {
			return nil
		}
		m.Started = at
		err := json.Unmarshal(e.Data, &m.Run)
		m.keepsTasks = m.wantsTasks != nil && m.wantsTasks(m.Run)
		return err
	case history.WorkloadLaunched:
		var workload history.WorkloadData
		if err := json.Unmarshal(e.Data, &workload); err != nil {
			return err
		}
		if m.once(m.Launched, at, "the workload was launched") {
			m.Launched, m.Workload = at, workload
			return m.selectPods()
		}
	case history.LoadMeasured:
		load := Load{At: at}
		err := json.Unmarshal(e.Data, &load.Data)
		m.Loads = append(m.Loads, load)
		return err
	case history.SpansExported:
		m.Exported, m.ExportedAt = history.SpansData{}, at
		return json.Unmarshal(e.Data, &m.Exported)
	case history.RecordConflict:
		var conflict history.ConflictData
		err := json.Unmarshal(e.Data, &conflict)
		m.Conflicts = append(m.Conflicts, conflict)
		return err
	case history.PhaseStarted:
		var phase history.PhaseData
		if err := json.Unmarshal(e.Data, &phase); err != nil {
			return err
		}
		if _, again := m.phases[phase.Phase]; !again {
			m.phases[phase.Phase] = at
		}
	case history.AnchorMissed:
		m.Missed = append(m.Missed, MissedAnchor{At: at})
		return json.Unmarshal(e.Data, &m.Missed[len(m.Missed)-1].Data)
	case history.BaselineResult:
		if !m.once(m.BaselineAt, at, "the baseline has results") {
			return nil
		}
		m.Baseline, m.BaselineAt = &history.BaselineData{}, at
		return json.Unmarshal(e.Data, m.Baseline)
	case history.OutputRead:
		return m.observeOutput(e, at)
	case history.ClocksMeasured:
		return m.observeClocks(e, at)
	case history.DisksCollected:
		return m.observeCollection(e, at)
	case history.Leftovers:
		if !m.once(m.LeftoversAt, at, "leftovers were looked for") {
			return nil
		}
		m.Leftovers, m.LeftoversAt = &history.LeftoversData{}, at
		return json.Unmarshal(e.Data, m.Leftovers)
	case history.Problem:
		var problem history.ProblemData
		if err := json.Unmarshal(e.Data, &problem); err != nil {
			return err
		}
		m.trouble(at, "%s: %s", problem.What, problem.Error)
	case history.RunEnded:
		m.Ended.KeepLater(at)
		return json.Unmarshal(e.Data, &m.End)
	}
	return nil
}

func (m *Model) observeCollection(e *history.Event, at Moment) error {
	collection := &Collection{At: at}
	if err := json.Unmarshal(e.Data, &collection.Data); err != nil {
		return err
	}
	if before := m.Collected[collection.Data.Node]; before != nil &&
		!m.once(before.At, at, "the disk of node "+collection.Data.Node+" was read") {
		return nil
	}
	m.Collected[collection.Data.Node] = collection
	return nil
}

// Horizon returns the moment up to which the history says anything of the application: the begin of the clean-up, in which
// the harness removes it, or the end of the record.
func (m *Model) Horizon() Moment {
	if cleanUp := m.phases[PhaseCleanUp]; !cleanUp.Never() {
		return cleanUp
	}
	if !m.Ended.Never() {
		return m.Ended
	}
	return m.Last
}

// Offset returns when a moment was, counted from the begin of the run.
func (m *Model) Offset(moment Moment) time.Duration { return moment.At.Sub(m.base) }

// SeenUntil is the end of what was seen of kinds of objects: the horizon, or the begin of a time in which nothing could be
// seen until then or longer. Only for the time before can it be said that something never happened.
func (m *Model) SeenUntil(kinds ...string) Moment {
	until := m.Horizon()
	for _, gap := range m.Gaps {
		untilEnd := strings.HasPrefix(gap.Data.Reason, history.GapUntilEnd) || !gap.At.Before(m.Horizon())
		if !slices.Contains(kinds, gap.Kind) || !untilEnd {
			continue
		}
		if gap.begin().Before(until.At) {
			until = Moment{At: gap.begin(), Seq: gap.At.Seq}
		}
	}
	return until
}

// SawAll reports whether nothing of a kind of object was missed.
func (m *Model) SawAll(kind string) bool {
	return !slices.ContainsFunc(m.Gaps, func(gap GapSeen) bool { return gap.Kind == kind && !gap.Outage })
}

// Blind returns the gaps and outages of kinds of objects that lie in the time from one moment to another.
func (m *Model) Blind(from, to time.Time, kinds ...string) []GapSeen {
	var all []GapSeen
	for _, gap := range m.Gaps {
		if slices.Contains(kinds, gap.Kind) && gap.begin().Before(to) && gap.At.At.After(from) {
			all = append(all, gap)
		}
	}
	return all
}

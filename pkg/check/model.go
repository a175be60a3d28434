package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Moment is when something happened, and the event that says so. The zero Moment means never.
type Moment struct {
	Seq int64
	// At is the time by the clock of whoever saw it: the harness's for what it observed itself, the JVM's for the
	// witness's records, unless a fault put that clock wrong.
	At time.Time
}

// Never says that it did not happen as far as the history tells.
func (m Moment) Never() bool { return m.Seq == 0 }

// first keeps the earlier of the two moments; of equal times the one that is earlier in the history.
func (m *Moment) first(other Moment) {
	if m.Never() || other.before(*m) {
		*m = other
	}
}

// latest keeps the later of the two moments; of equal times the one that is later in the history.
func (m *Moment) latest(other Moment) {
	if m.Never() || m.before(other) {
		*m = other
	}
}

func (m Moment) before(other Moment) bool {
	return cmp.Or(m.At.Compare(other.At), cmp.Compare(m.Seq, other.Seq)) < 0
}

// Model is what the events so far say, in the terms in which invariants are stated. Its memory grows with the objects
// that were ever seen (pods, nodes, executors, results, batches; tasks only if the plan asks about them), some hundred bytes each,
// and not with the events.
type Model struct {
	Run      history.RunData
	Started  Moment // of the run
	base     time.Time
	Launched Moment
	Workload history.WorkloadData
	Last     Moment // the newest event
	Ended    Moment // of the run; Never if the harness was killed
	End      history.RunEndData
	Events   int64

	Pods   map[string]*Pod  // by UID
	Nodes  map[string]*Node // by name
	Job    Job
	Faults []*Fault // in the order of their first events

	Processes map[string]*Process // JVMs, by pod UID
	Ledger    Ledger
	Streams   Streams
	Refused   []Refusal
	Artifacts Artifacts

	Baseline       *history.BaselineData
	BaselineAt     Moment
	Clocks         map[string]history.ClockOffset // by node; nil if nobody asked them, as where all nodes have one clock
	Collected      map[string]*Collection         // by node
	Leftovers      *history.LeftoversData
	LeftoversAt    Moment
	Gaps           []GapSeen
	Missed         []MissedAnchor
	Problems       []Trouble
	phases         map[string]Moment
	unplaced       map[string]Unplaced // by pod UID
	refusedRecords map[recordID]bool
	skewed         map[string]bool // pods whose JVM's clock a fault put wrong, by UID
	keepsTasks     bool            // a stream has millions of them, which most invariants have no use for
	decoder        history.WitnessDecoder
	record         history.WitnessRecord
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
	Kind string
	At   Moment
	Data history.GapData
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

// NewModel returns the model of a history without events.
func NewModel() *Model {
	return &Model{
		Pods: map[string]*Pod{}, Nodes: map[string]*Node{}, Processes: map[string]*Process{},
		Collected: map[string]*Collection{}, phases: map[string]Moment{}, refusedRecords: map[recordID]bool{},
		unplaced: map[string]Unplaced{}, skewed: map[string]bool{}, Streams: newStreams(),
		Artifacts: Artifacts{begun: map[string]Fetch{}, known: map[recordID]bool{}},
		Ledger:    Ledger{known: map[recordID]bool{}, Commits: map[string][]Commit{}},
	}
}

// Observe takes the next event. Data that cannot be read is a problem of the history, never an error. The event's
// memory is not kept.
func (m *Model) Observe(e *history.Event) {
	at := Moment{Seq: e.Seq, At: e.Wall}
	if e.Seq <= 0 {
		m.trouble(at, "an event has the sequence number %d", e.Seq)
		at.Seq = m.Last.Seq
	}
	if m.Events == 0 {
		m.base = e.Wall.Add(-e.Offset)
	}
	m.Events++
	m.Last.latest(at)
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
	}
	if err != nil {
		m.trouble(at, "event %d (%s/%s) cannot be read: %v", e.Seq, e.Source, e.Type, err)
	}
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
	if e.Type == history.Gap {
		gap := GapSeen{Kind: e.Object.Kind, At: at}
		m.Gaps = append(m.Gaps, gap)
		return json.Unmarshal(e.Data, &m.Gaps[len(m.Gaps)-1].Data)
	}
	switch e.Object.Kind {
	case "Pod":
		return m.observePod(e, at)
	case "Node":
		return m.observeNode(e, at)
	case "Job":
		return m.observeJob(e, at)
	case "Event":
		return m.observeEvent(e, at)
	default:
		return nil
	}
}

func (m *Model) observeHarness(e *history.Event, at Moment) error {
	switch e.Type {
	case history.RunStarted:
		m.Started.first(at)
		err := json.Unmarshal(e.Data, &m.Run)
		m.keepsTasks = m.expects(invariantShuffleSurvives)
		return err
	case history.WorkloadLaunched:
		m.Launched.first(at)
		return json.Unmarshal(e.Data, &m.Workload)
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
		m.Baseline, m.BaselineAt = &history.BaselineData{}, at
		return json.Unmarshal(e.Data, m.Baseline)
	case history.ClocksMeasured:
		return m.observeClocks(e)
	case history.DisksCollected:
		return m.observeCollection(e, at)
	case history.Leftovers:
		m.Leftovers, m.LeftoversAt = &history.LeftoversData{}, at
		return json.Unmarshal(e.Data, m.Leftovers)
	case history.Problem:
		var problem history.ProblemData
		if err := json.Unmarshal(e.Data, &problem); err != nil {
			return err
		}
		m.trouble(at, "%s: %s", problem.What, problem.Error)
	case history.RunEnded:
		m.Ended.latest(at)
		return json.Unmarshal(e.Data, &m.End)
	}
	return nil
}

func (m *Model) observeClocks(e *history.Event) error {
	var data history.ClocksData
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	m.Clocks = map[string]history.ClockOffset{}
	for _, offset := range data.Nodes {
		m.Clocks[offset.Node] = offset
	}
	return nil
}

func (m *Model) observeCollection(e *history.Event, at Moment) error {
	collection := &Collection{At: at}
	if err := json.Unmarshal(e.Data, &collection.Data); err != nil {
		return err
	}
	m.Collected[collection.Data.Node] = collection
	return nil
}

// end returns the moment up to which the history tells anything.
func (m *Model) end() Moment {
	if !m.Ended.Never() {
		return m.Ended
	}
	return m.Last
}

// offset returns when a moment was, counted from the begin of the run.
func (m *Model) offset(moment Moment) time.Duration { return moment.At.Sub(m.base) }

// seenUntil is the end of what was seen of kinds of objects: the record's, or the begin of a time in which nothing could be
// seen until then. That something never happened can be said only of the time before.
func (m *Model) seenUntil(kinds ...string) Moment {
	until := m.end()
	for _, gap := range m.Gaps {
		if !slices.Contains(kinds, gap.Kind) || !strings.HasPrefix(gap.Data.Reason, history.GapUntilEnd) {
			continue
		}
		if begun := gap.At.At.Add(-gap.Data.For); begun.Before(until.At) {
			until = Moment{At: begun, Seq: gap.At.Seq}
		}
	}
	return until
}

// seen says whether nothing of a kind of object was missed.
func (m *Model) seen(kind string) bool {
	for _, gap := range m.Gaps {
		if gap.Kind == kind {
			return false
		}
	}
	return true
}

// diskMissing returns the nodes among names whose disks were not read in full.
func (m *Model) diskMissing(names []string) []string {
	var missing []string
	for _, name := range names {
		if collection := m.Collected[name]; collection == nil || len(collection.Data.Errors) > 0 {
			missing = append(missing, name)
		}
	}
	return missing
}

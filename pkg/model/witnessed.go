package model

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Roles of the application's own JVMs, as their records name them.
const (
	RoleDriver   = history.RoleDriver
	RoleExecutor = history.RoleExecutor
)

// Process is a JVM of the application as its own records tell, by its own clock.
type Process struct {
	PodUID, PodName, Node string
	Role                  string
	Incarnation           string // the driver pod's UID
	Alive                 Spans
	Applications          map[string]Moment // Spark's application ids, and the record that tells each first

	// Delay is the least time that a record took from the JVM's clock to the harness's, of those that came by HTTP:
	// how far the clocks are apart at most. Live reports whether there was one.
	Delay time.Duration
	Live  bool
	heard time.Time // the time of the newest record that came at once, so that the clock was right then

	troubles []string // what its witness could not open or write

	// Untimed is how many records have a time that nobody knows: a fault had put the JVM's clock wrong, and they did not come by HTTP,
	// where the time of their arrival would tell.
	Untimed int

	// The following are known of drivers only.
	Started       Moment                 // driverStarted
	Stopping      Moment                 // the begin of an orderly end
	ended         bool                   // told of its orderly end
	JobsDone      Moment                 // the first job that ended well
	Executors     map[string]*Registered // by executor id
	FirstProgress Moment                 // the first task or batch that ended well
	Stages        map[int64]*Stage       // by Spark's id; only if the plan asks for what they tell
	Tasks         map[int64]*Task        // by Spark's id; likewise
}

// Registered is an executor as its driver knows it.
type Registered struct {
	ID        string
	At        Moment // registered
	Removed   Moment
	FirstTask Moment // its first task that ended well
}

// Refusal is an executor's pod that the API server refused to create.
type Refusal struct {
	Driver  string // UID of the pod that asked
	Name    string // asked for
	Code    string
	Message string
	Before  int64 // how many refusals its driver held back before this one
	At      Moment
}

// Ledger is what the application committed.
type Ledger struct {
	Commits map[string][]Commit // by key, in the order of the history
	known   map[recordID]bool
}

// Commit is one result with its writer.
type Commit struct {
	Value       string
	Pod         string // the writer's name
	PodUID      string // the writer's
	Node        string
	Incarnation string
	Detail      map[string]string // whatever else the application reports about it
	At          Moment
	Record      int64 // the number of the record that tells it, among those of its JVM
}

func (m *Model) observeWitness(e *history.Event, at Moment) error {
	r := &m.record
	if err := m.decoder.Decode(e.Data, r); err != nil {
		return err
	}
	if err := m.identify(r); err != nil {
		return err
	}
	moment := m.told(r, at.Seq)
	fresh := m.wrote(r)
	if strings.HasSuffix(r.PodUID, history.ArtifactsWriter) {
		m.observeFetch(r, moment)
		return nil
	}
	p := m.process(r)
	moment = p.observeTime(r.Via, moment, at, m.skewed[r.PodUID])
	if r.AppID != "" {
		if known, ok := p.Applications[r.AppID]; !ok || moment.At.Before(known.At) {
			p.Applications[r.AppID] = moment
		}
	}
	switch r.Type {
	case history.Heartbeat:
		return nil
	case history.WitnessTrouble:
		// Records that could not be sent are on the disk all the same.
		if r.Detail["what"] != "send" {
			p.troubles = append(p.troubles, r.Detail["what"]+": "+r.Detail["error"])
		}
		return nil
	}
	if r.Role == RoleDriver {
		p.observeDriver(r, moment)
		if m.keepsTasks {
			p.observeTasks(r, moment)
		}
		if m.Progress != nil {
			m.Progress.observe(r, moment, fresh)
		}
	}
	m.observeDeeds(r, moment)
	return nil
}

// identify checks that a record says who wrote it and when, and as which of the writer's records. Its node is that of the pod if it names
// none.
func (m *Model) identify(r *history.WitnessRecord) error {
	switch {
	case r.PodUID == "":
		return errors.New("the record does not say the UID of the pod that wrote it")
	case r.Seq <= 0:
		return fmt.Errorf("the record of pod %s has the number %d, and records are counted from 1", r.PodUID, r.Seq)
	case r.WallMicros <= 0:
		return fmt.Errorf("record %d of pod %s does not say when it was written", r.Seq, r.PodUID)
	}
	if r.Node != "" {
		return nil
	}
	if pod := m.Pods[strings.TrimSuffix(r.PodUID, history.ArtifactsWriter)]; pod != nil {
		r.Node = pod.Node
	}
	if w := m.writers[r.PodUID]; w != nil && r.Node == "" {
		r.Node = w.node
	}
	return nil
}

// observeTime notes that the process was alive, and returns when: as its record tells or, of one whose clock is not to be believed,
// as the record arrived.
func (p *Process) observeTime(via string, told, arrived Moment, skewed bool) Moment {
	switch {
	case skewed && via == viaDisk:
		p.Untimed++
		return told
	case skewed:
		p.Alive.Add(arrived)
		return arrived
	}
	p.Alive.Add(told)
	if via != viaDisk {
		delay := arrived.At.Sub(told.At)
		if !p.Live || delay < p.Delay {
			p.Delay, p.Live = delay, true
		}
		if delay.Abs() <= clockTolerance && told.At.After(p.heard) {
			p.heard = told.At
		}
	}
	return told
}

// viaDisk marks records that were read from a node's disk after the run.
const viaDisk = "disk"

func (m *Model) process(r *history.WitnessRecord) *Process {
	p := m.Processes[r.PodUID]
	if p == nil {
		p = &Process{
			PodUID: r.PodUID, PodName: r.PodName, Node: r.Node, Role: r.Role, Incarnation: r.Incarnation,
			Applications: map[string]Moment{}, Executors: map[string]*Registered{},
			Stages: map[int64]*Stage{}, Tasks: map[int64]*Task{},
		}
		m.Processes[r.PodUID] = p
	}
	p.Incarnation = cmp.Or(p.Incarnation, r.Incarnation)
	p.Node = cmp.Or(p.Node, r.Node)
	return p
}

func (p *Process) observeDriver(r *history.WitnessRecord, at Moment) {
	switch r.Type {
	// Spark tells its plugins of the application's id, which is DriverStarted, only when it has executors; that the
	// application has started it tells its listeners before.
	case history.ApplicationStarted, history.DriverStarted:
		p.Started.KeepEarlier(at)
	// Between the two Spark stops its executors.
	case history.ApplicationEnded, history.DriverStopping:
		p.Stopping.KeepEarlier(at)
		p.ended = p.ended || r.Type == history.DriverStopping
	case history.ExecutorRegistered:
		p.executor(r.ExecutorID).At.KeepEarlier(at)
	case history.ExecutorRemoved:
		p.executor(r.ExecutorID).Removed.KeepEarlier(at)
	case history.TaskEnded:
		if reason := r.Detail["reason"]; reason != "" && reason != taskSucceeded {
			return
		}
		p.FirstProgress.KeepEarlier(at)
		p.executor(r.ExecutorID).FirstTask.KeepEarlier(at)
	case history.JobEnded:
		if r.Detail["result"] == "succeeded" {
			p.JobsDone.KeepEarlier(at)
		}
	case history.BatchCompleted:
		p.FirstProgress.KeepEarlier(at)
	}
}

// Restarted reports whether a second JVM ran in the driver's pod: two applications without the orderly end of the first. The
// pods that sparkchaos makes are never restarted in place.
func (p *Process) Restarted() bool { return len(p.Applications) > 1 && p.Stopping.Never() }

// taskSucceeded is how Spark names the reason of a task's good end.
const taskSucceeded = "Success"

func (p *Process) executor(id string) *Registered {
	e := p.Executors[id]
	if e == nil {
		e = &Registered{ID: id}
		p.Executors[id] = e
	}
	return e
}

// Registered returns how many executors the driver had at a time.
func (p *Process) Registered(at time.Time) int {
	n := 0
	for _, e := range p.Executors {
		if e.present(at) {
			n++
		}
	}
	return n
}

// present reports whether the driver had the executor at a time.
func (e *Registered) present(at time.Time) bool {
	return !e.At.Never() && !e.At.At.After(at) && (e.Removed.Never() || e.Removed.At.After(at))
}

// observeDeeds notes what is counted: a record that came twice counts once.
func (m *Model) observeDeeds(r *history.WitnessRecord, at Moment) {
	id := recordID{r.PodUID, r.Seq}
	m.Streams.observe(r, at)
	switch r.Type {
	case history.Ledger:
		if m.Ledger.known[id] {
			return
		}
		m.Ledger.known[id] = true
		key := r.Detail["key"]
		m.Ledger.Commits[key] = append(m.Ledger.Commits[key],
			Commit{Value: r.Detail["value"], Pod: r.PodName, PodUID: r.PodUID, Node: r.Node, Incarnation: r.Incarnation, Detail: r.Detail, At: at,
				Record: r.Seq})
	case history.PodCreateRefused:
		if m.refusedRecords[id] {
			return
		}
		m.refusedRecords[id] = true
		before, _ := strconv.ParseInt(r.Detail["suppressed"], 10, 64)
		m.Refused = append(m.Refused,
			Refusal{Before: max(0, before), Driver: r.PodUID, Name: r.Detail["podName"], Code: r.Detail["code"], Message: r.Detail["message"],
				At: at})
	}
}

// Registrations returns a driver's executors in the order in which they registered.
func (p *Process) Registrations() []*Registered {
	var all []*Registered
	for _, e := range p.Executors {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *Registered) int {
		return cmp.Or(a.At.At.Compare(b.At.At), cmp.Compare(a.ID, b.ID))
	})
	return all
}

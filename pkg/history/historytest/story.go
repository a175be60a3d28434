package historytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Names that a Story uses.
const (
	Namespace = "run-1"
	JobUID    = "job-uid"
	FaultName = "lose-driver-node"
)

// Driver is one incarnation of the driver in a Story. A time of zero means that it did not happen.
type Driver struct {
	UID, Node   string
	Application string
	Prefix      string        // of its executors' names
	Created     time.Duration // of the pod
	Running     time.Duration
	Started     time.Duration // Spark in it, and its heartbeats
	Silent      time.Duration // its last heartbeat; zero: never started
	Terminating time.Duration
	Finished    time.Duration
	Deleted     time.Duration
	FirstTask   time.Duration
	Commits     map[string]string // at Committed
	Committed   time.Duration
	Executors   []Executor
}

// Executor is an executor of a driver in a Story.
type Executor struct {
	UID, ID, Node string
	Created       time.Duration
	Registered    time.Duration // the pod runs a second before
	Silent        time.Duration // its last heartbeat
	Terminating   time.Duration
	Finished      time.Duration
	Deleted       time.Duration
}

// Story is a run in which the driver's node loses its power and comes back. Tests change what they are about and leave
// the rest as it is.
type Story struct {
	Plan      any
	Baseline  map[string]string    // nil: there was none
	Outputs   []history.OutputData // of the baseline, if there was one
	Drivers   []Driver
	FaultKind string
	Targets   []history.Object
	Leaves    bool // the fault leaves running what runs on its targets
	Began     time.Duration
	Landed    time.Duration
	NotLanded string // the reason; instead of landing
	NotReady  time.Duration
	Recovered time.Duration
	Completed time.Duration
	// Collected are the nodes whose disks are read; what they hold is filled in where a story says nothing else of it.
	Collected []history.CollectionData
	CleanUp   time.Duration // the begin of the clean-up; zero: no phase of it is told
	Leftovers *history.LeftoversData
	Ended     time.Duration
	End       history.RunEndData
	// Clocks are the nodes' clocks, as they were measured at the begin; nil if nobody asked them.
	Clocks []history.ClockOffset
	// Extra adds whatever else happened.
	Extra func(*Builder)
}

// Expect returns a plan with one invariant and its arguments, and the fault of the story.
func Expect(invariant string, args any) map[string]any {
	return map[string]any{
		"steps": []any{
			map[string]any{"fault": FaultName, "action": "inject", "do": map[string]any{"nodePowerOff": map[string]any{}}},
			map[string]any{"fault": FaultName, "action": "recover", "do": map[string]any{"nodePowerOff": map[string]any{}}},
		},
		"expect": []any{map[string]any{invariant: args}},
	}
}

// PowerOff returns the story of a run in which everything went well: the driver runs on n1 with executors on n2 and n3,
// n1 loses its power 10 s after the run began, a new driver runs on n2 24.5 s after, and its job ends at 45 s.
func PowerOff(plan any) *Story {
	s := time.Second
	results := map[string]string{"wordcount": "sha256:feed"}
	return &Story{
		Plan: plan, Baseline: results,
		FaultKind: "nodePowerOff", Targets: []history.Object{{Kind: "Node", Name: "n1"}},
		Began: 10 * s, Landed: 10500 * time.Millisecond, NotReady: 14 * s, Recovered: 41 * s, Completed: 45 * s,
		Drivers: []Driver{
			{
				UID: "d1", Node: "n1", Application: "spark-1", Prefix: "driver-d1", Created: 1 * s, Running: 2 * s, Started: 3 * s, Silent: 10 * s,
				Terminating: 15500 * time.Millisecond, Finished: 42 * s, Deleted: 42500 * time.Millisecond, FirstTask: 7 * s,
				Executors: []Executor{
					{UID: "e1", ID: "1", Node: "n2", Created: 4 * s, Registered: 6 * s, Silent: 29 * s, Finished: 30 * s, Deleted: 43 * s},
					{UID: "e2", ID: "2", Node: "n3", Created: 4 * s, Registered: 6 * s, Silent: 29 * s, Finished: 30 * s, Deleted: 43 * s},
				},
			},
			{
				UID: "d2", Node: "n2", Application: "spark-2", Prefix: "driver-d2", Created: 24 * s, Running: 24500 * time.Millisecond,
				Started: 26 * s, Silent: 44500 * time.Millisecond,
				Finished: 44600 * time.Millisecond, FirstTask: 31 * s, Commits: results, Committed: 44 * s,
				Executors: []Executor{
					{UID: "e3", ID: "1", Node: "n2", Created: 27 * s, Registered: 29 * s, Silent: 44 * s, Finished: 45 * s},
					{UID: "e4", ID: "2", Node: "n3", Created: 27 * s, Registered: 29500 * time.Millisecond, Silent: 44 * s, Finished: 45 * s},
				},
			},
		},
		Collected: []history.CollectionData{{Node: "n1"}, {Node: "n2"}, {Node: "n3"}},
		CleanUp:   54 * s,
		Leftovers: &history.LeftoversData{Checked: LookedFor()},
		Ended:     60 * s,
	}
}

// LookedFor is all that a harness looks for after the clean-up.
func LookedFor() []string {
	return []string{history.LeftNamespaces, history.LeftVolumes, history.LeftDirectories, history.LeftNodes, history.LeftRecords}
}

// collecting is when the disks are read, and onTheWay how long a record is under way by HTTP: what was written last before a node was lost
// comes by its disk alone.
const collecting, onTheWay = 50 * time.Second, 300 * time.Millisecond

// cutOff tells which records come by the disks alone: those of nodes that the fault cuts off or ends.
func (s *Story) cutOff(b *Builder) {
	if s.Began == 0 || s.NotLanded != "" {
		return
	}
	for _, target := range s.Targets {
		switch {
		case target.Kind != "Node":
		case s.FaultKind == "nodePowerOff", s.FaultKind == "nodeIsolate":
			b.CutOff(target.Name, s.Began-onTheWay, collecting)
		}
	}
}

// Bytes writes the story as a history.
func (s *Story) Bytes() ([]byte, error) {
	b := New()
	s.cutOff(b)
	run, err := RunData(s.Plan)
	if err != nil {
		return nil, err
	}
	b.Harness(0, history.RunStarted, run)
	if s.Clocks != nil {
		b.Harness(50*time.Millisecond, history.ClocksMeasured, history.ClocksData{Nodes: s.Clocks})
	}
	for _, clock := range s.Clocks {
		b.ahead[clock.Node] = clock.Offset
	}
	for _, node := range []string{"n1", "n2", "n3"} {
		b.Node(100*time.Millisecond, history.Added, node, "True")
	}
	if s.Baseline != nil {
		b.Harness(200*time.Millisecond, history.BaselineResult, history.BaselineData{Results: s.Baseline, RunID: "baseline", Outputs: s.Outputs})
	}
	b.Harness(300*time.Millisecond, history.PhaseStarted, history.PhaseData{Phase: "launch"})
	b.Harness(500*time.Millisecond, history.WorkloadLaunched, history.WorkloadData{
		Namespace: Namespace, DriverKind: "Job", DriverName: "driver", DriverUID: JobUID, RunLabel: "run-1",
	})
	b.Job(600*time.Millisecond, history.Added, Namespace, JobUID)
	for i := range s.Drivers {
		s.Drivers[i].tell(b)
	}
	s.tellFault(b)
	if s.Completed > 0 {
		b.Job(s.Completed, history.Modified, Namespace, JobUID, "SuccessCriteriaMet", "Complete")
	}
	if s.Extra != nil {
		s.Extra(b)
	}
	s.tellCollection(b)
	if s.CleanUp > 0 {
		b.Harness(s.CleanUp, history.PhaseStarted, history.PhaseData{Phase: "cleanup"})
	}
	if s.Leftovers != nil {
		b.Harness(max(55*time.Second, s.CleanUp+time.Second), history.Leftovers, *s.Leftovers)
	}
	if s.Ended > 0 {
		b.Harness(s.Ended, history.RunEnded, s.End)
	}
	return b.Bytes()
}

// tellCollection tells what the disks gave.
func (s *Story) tellCollection(b *Builder) {
	b.Harness(collecting-200*time.Millisecond, history.PhaseStarted, history.PhaseData{Phase: "collect"})
	for i, collected := range s.Collected {
		if collected.Files == 0 && collected.Records == 0 && collected.Writers == nil {
			truth := b.Disk(collected.Node)
			truth.Torn, truth.Errors = collected.Torn, collected.Errors
			collected = truth
		}
		b.Harness(collecting+time.Duration(i+1)*time.Second, history.DisksCollected, collected)
	}
}

func (s *Story) tellFault(b *Builder) {
	if s.Began == 0 {
		return
	}
	began := Epoch().Add(s.Began)
	data := history.FaultData{Fault: FaultName, Kind: s.FaultKind, Targets: s.Targets, Began: &began, LeavesRunning: s.Leaves}
	b.Fault(s.Began, history.FaultInjecting, data)
	if s.NotLanded != "" {
		data.Reason = s.NotLanded
		b.Fault(s.Landed, history.FaultDidNotLand, data)
		return
	}
	data.Evidence = json.RawMessage(`{"observations":[]}`)
	b.Fault(s.Landed, history.FaultLanded, data)
	if s.NotReady > 0 {
		b.Node(s.NotReady, history.Modified, "n1", "Unknown")
	}
	if s.Recovered > 0 {
		b.Fault(s.Recovered-time.Second, history.FaultRecovering, data)
		b.Fault(s.Recovered, history.FaultRecovered, data)
		b.Node(s.Recovered+time.Millisecond, history.Modified, "n1", "True")
	}
}

func (d *Driver) tell(b *Builder) {
	pod := Pod{UID: d.UID, Name: "driver-" + d.UID, Namespace: Namespace, OwnerKind: "Job", Owner: JobUID, Phase: "Pending"}
	life{pod: pod, node: d.Node, created: d.Created, running: d.Running, terminating: d.Terminating, finished: d.Finished,
		deleted: d.Deleted, phase: "Succeeded"}.tell(b)
	self := history.WitnessRecord{
		Role: history.RoleDriver, PodUID: d.UID, PodName: pod.Name, Node: d.Node, AppID: d.Application, Incarnation: d.UID,
	}
	if d.Started > 0 {
		b.Witness(d.Started+time.Millisecond, d.Started, with(self, history.DriverStarted))
		b.Beats(d.Started, d.Silent, self)
	}
	for _, e := range d.Executors {
		e.tell(b, d)
		if e.Registered > 0 && d.Started > 0 {
			record := with(self, history.ExecutorRegistered)
			record.ExecutorID = e.ID
			b.Witness(e.Registered+time.Millisecond, e.Registered, record)
		}
	}
	if d.FirstTask > 0 && d.Started > 0 {
		record := with(self, history.TaskEnded)
		record.ExecutorID, record.Detail = "1", map[string]string{"reason": "Success"}
		b.Witness(d.FirstTask+time.Millisecond, d.FirstTask, record)
	}
	for _, key := range slices.Sorted(maps.Keys(d.Commits)) {
		record := with(self, history.Ledger)
		record.Detail = map[string]string{"key": key, "value": d.Commits[key]}
		b.Witness(d.Committed+time.Millisecond, d.Committed, record)
	}
}

func with(record history.WitnessRecord, eventType string) history.WitnessRecord {
	record.Type = eventType
	return record
}

func (e *Executor) tell(b *Builder, d *Driver) {
	pod := Pod{
		UID: e.UID, Name: fmt.Sprintf("%s-exec-%s", d.Prefix, e.ID), Namespace: Namespace, OwnerKind: "Pod", Owner: d.UID, Phase: "Pending",
		Labels: map[string]string{history.SparkRoleLabel: history.RoleExecutor, "spark-exec-id": e.ID, "spark-app-selector": d.Application},
	}
	running := time.Duration(0)
	if e.Registered > 0 {
		running = e.Registered - time.Second
	}
	life{pod: pod, node: e.Node, created: e.Created, running: running, terminating: e.Terminating, finished: e.Finished, deleted: e.Deleted,
		phase: "Succeeded"}.tell(b)
	if e.Registered > 0 {
		b.Beats(e.Registered, e.Silent, history.WitnessRecord{
			Role: history.RoleExecutor, PodUID: e.UID, PodName: pod.Name, Node: e.Node, AppID: d.Application, ExecutorID: e.ID, Incarnation: d.UID,
		})
	}
}

// life is what the API server says about a pod from its begin to its end.
type life struct {
	pod                                              Pod
	node, phase                                      string
	created, running, terminating, finished, deleted time.Duration
}

func (l life) tell(b *Builder) {
	pod := l.pod
	b.Pod(l.created, history.Added, pod)
	pod.Node = l.node
	if l.running > 0 {
		pod.Phase = "Running"
		b.Pod(l.running, history.Modified, pod)
	}
	if l.terminating > 0 {
		pod.Deleting = true
		b.Pod(l.terminating, history.Modified, pod)
	}
	if l.finished > 0 {
		pod.Phase = l.phase
		b.Pod(l.finished, history.Modified, pod)
	}
	if l.deleted > 0 {
		b.Pod(l.deleted, history.Deleted, pod)
	}
}

// Package history is the record of a run: everything that was observed, one event a line, in the order in which the
// harness learned of it. Checkers, anchors and reports read nothing else.
package history

import (
	"encoding/json"
	"time"
)

// Source is the component that observed an event.
type Source string

// The sources of events.
const (
	Kubernetes Source = "kubernetes" // a watch or a list of the API server
	Node       Source = "node"       // what was read from a node's own disk, or of the node as a machine
	Witness    Source = "witness"    // a record of the Spark plugin, by HTTP while the run continues or from a node's disk after it
	Fault      Source = "fault"      // a fault's journal, landing and recovery
	Staging    Source = "staging"    // the resource staging server's clients
	Harness    Source = "harness"    // the runner itself
)

// Types of events of source Kubernetes. Data is the object without managedFields.
const (
	Added    = "added"    // seen first (by watch, or by the initial list)
	Modified = "modified" // changed
	Deleted  = "deleted"  // gone; Data is its last state
	Gap      = "gap"      // a watch broke and was re-listed: changes between may be missing; Data is GapData, Object.Kind the kind watched
	// Outage says that a watch broke and was resumed: nothing is missing, but what follows was seen late; Data is GapData,
	// Object.Kind the kind watched.
	Outage = "outage"
)

// Types of events of source Fault. Data is FaultData.
const (
	FaultJournaled    = "journaled"    // the undo record is on disk
	FaultInjecting    = "injecting"    // the injection begins
	FaultLanded       = "landed"       // proven from outside; Evidence says how
	FaultDidNotLand   = "didNotLand"   // the proof failed; Reason says why
	FaultRecovering   = "recovering"   // the undoing begins
	FaultRecovered    = "recovered"    // proven from outside
	FaultNotRecovered = "notRecovered" // the recovery failed; Reason says why
)

// Types of events of source Staging, which the harness observes as a client of the staging server, and of source Witness,
// which the init containers of drivers and executors report. Data is StagingData, or a WitnessRecord whose Detail has
// resourceID, sha256, bytes, attempts, status and error, and whose PodUID has the suffix ArtifactsWriter.
const (
	ArtifactsUploaded    = "artifactsUploaded"    // by the harness, before the launch
	ArtifactsFetching    = "artifactsFetching"    // a pod begins to fetch
	ArtifactsFetched     = "artifactsFetched"     // all bytes, with the right hash
	ArtifactsRefused     = "artifactsRefused"     // the server answered, and what it said is final: unknown, a wrong secret, other bytes
	ArtifactsUnreachable = "artifactsUnreachable" // no server answered within the time
)

// ArtifactsWriter is appended to the UID of a pod in the records of its init container, which counts by itself.
const ArtifactsWriter = "/artifacts"

// Types of events of source Harness.
const (
	RunStarted       = "runStarted"       // Data is RunData; always the first event
	WorkloadLaunched = "workloadLaunched" // Data is WorkloadData
	PhaseStarted     = "phaseStarted"     // Data is PhaseData
	PhaseEnded       = "phaseEnded"       // Data is PhaseData
	AnchorAwaited    = "anchorAwaited"    // Data is AnchorData
	AnchorReached    = "anchorReached"    // Data is AnchorData
	AnchorMissed     = "anchorMissed"     // Data is AnchorData; the run becomes inconclusive
	ClocksMeasured   = "clocksMeasured"   // Data is ClocksData
	BaselineResult   = "baselineResult"   // Data is BaselineData
	// OutputRead is what a pod, the event's object, read of an output after the application had ended; Data is OutputData.
	OutputRead      = "outputRead"
	ClusterObserved = "clusterObserved" // Data is ClusterData: the nodes before the launch, and once more before the clean-up
	LoadMeasured    = "loadMeasured"    // Data is LoadData: how busy the machine was on which the harness runs
	MetricsSampled  = "metricsSampled"  // Data is MetricsData: what Spark or the API server tells of itself
	SpansExported   = "spansExported"   // Data is SpansData: what the cluster's components exported, as the run ends to receive it
	RecordConflict  = "recordConflict"  // Data is ConflictData: two witness records have one number and differ; somebody tampered with one
	DisksCollected  = "disksCollected"  // Data is CollectionData: how complete the witness's evidence is
	Leftovers       = "leftovers"       // Data is LeftoversData: what was found after the clean-up
	Problem         = "problem"         // Data is ProblemData: the harness could not do or see something
	RunEnded        = "runEnded"        // Data is RunEndData; the last event of a run that was not killed
)

// Types of events of source Witness; Data is a WitnessRecord whose Type is the event's.
const (
	Heartbeat          = "heartbeat"
	DriverStarted      = "driverStarted"      // the plugin's driver side is up: application id and settings known
	DriverStopping     = "driverStopping"     // the plugin's shutdown on the driver: an orderly end
	ExecutorStarted    = "executorStarted"    // the plugin's executor side is up
	ExecutorStopping   = "executorStopping"   // orderly end of an executor
	ExecutorRegistered = "executorRegistered" // the driver's listener: ExecutorAdded
	ExecutorRemoved    = "executorRemoved"    // the driver's listener: ExecutorRemoved, Detail["reason"]
	ApplicationStarted = "applicationStarted"
	ApplicationEnded   = "applicationEnded"
	JobStarted         = "jobStarted"
	JobEnded           = "jobEnded" // Detail["result"] is "succeeded" or "failed"
	StageSubmitted     = "stageSubmitted"
	StageCompleted     = "stageCompleted"
	TaskStarted        = "taskStarted"
	TaskEnded          = "taskEnded"
	BatchStarted       = "batchStarted"   // DStreams batch or Structured Streaming micro-batch
	BatchCompleted     = "batchCompleted" // likewise
	QueryStarted       = "queryStarted"   // Structured Streaming: Detail["queryId"], Detail["runId"]
	QueryEnded         = "queryEnded"
	Ledger             = "ledger"        // a result that the workload committed, with the writer's identity
	LogEvent           = "log"           // a warning or error of Spark's own log that is evidence (name conflicts, lost executors, …)
	PodCreateRefused   = "createRefused" // the API server refused an executor pod's creation; Detail: podName, code, message
	// WitnessTrouble says that the plugin could not open or write its file, or lost records that it could not send;
	// Detail: what (open, write, send), error, count.
	WitnessTrouble = "witnessTrouble"
)

// Event is one line of history.ndjson.
type Event struct {
	Seq    int64           `json:"seq"`              // 1, 2, 3 …, without holes
	Offset time.Duration   `json:"offset"`           // nanoseconds since the run began, monotonic
	Wall   time.Time       `json:"wall"`             // the harness's clock when it learned of the event
	Source Source          `json:"source"`           //
	Type   string          `json:"type"`             // one of the source's types
	Object *Object         `json:"object,omitempty"` // the object that the event is about
	Data   json.RawMessage `json:"data,omitempty"`   // as the type says
}

// Object identifies what an event is about.
type Object struct {
	Kind      string `json:"kind"` // Pod, Node, Job, Event, Lease, ConfigMap, PersistentVolumeClaim, Fault …
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// WitnessRecord is one line that the Spark plugin writes, to its node's disk and by HTTP; the same record may
// arrive by both ways and is then recognised by Pod UID and Seq. Wall is the only clock to order records of
// several processes by. Field names are those of the plugin (workloads/).
type WitnessRecord struct {
	Seq         int64             `json:"seq"`                  // counts up from 1 in each JVM
	WallMicros  int64             `json:"wallMicros"`           // microseconds since the epoch, the JVM's clock
	Type        string            `json:"type"`                 // one of the types above
	Role        string            `json:"role"`                 // RoleDriver or RoleExecutor
	PodUID      string            `json:"podUID"`               //
	PodName     string            `json:"podName"`              //
	Node        string            `json:"node"`                 //
	AppID       string            `json:"appID,omitempty"`      // Spark's application id, once known
	ExecutorID  string            `json:"executorID,omitempty"` // the writer's, or the one that the record is about
	JobID       *int64            `json:"jobID,omitempty"`
	StageID     *int64            `json:"stageID,omitempty"`
	Attempt     *int64            `json:"attempt,omitempty"` // of the stage, or of the task in task records
	TaskID      *int64            `json:"taskID,omitempty"`
	Partition   *int64            `json:"partition,omitempty"`
	BatchID     *int64            `json:"batchID,omitempty"`
	Incarnation string            `json:"incarnation,omitempty"` // the driver pod's UID; an executor's is its driver's
	Detail      map[string]string `json:"detail,omitempty"`
	Via         string            `json:"via,omitempty"` // how the harness got it: "http" or "disk"; set by the harness
}

// RunData opens a history.
type RunData struct {
	FormatVersion int             `json:"formatVersion"` // FormatVersion of the writer
	RunID         string          `json:"runID"`
	Scenario      string          `json:"scenario"`
	Seed          uint64          `json:"seed"`
	Plan          json.RawMessage `json:"plan"`    // the whole plan as JSON: a history can be judged by itself
	Harness       string          `json:"harness"` // release of sparkchaos that recorded the run
	ClusterKind   string          `json:"clusterKind"`
	// ScenarioSHA256 is the digest of scenario.yaml, in hexadecimal; empty if the run was made from a plan.
	ScenarioSHA256 string `json:"scenarioSHA256,omitempty"`
}

// FormatVersion is the version of the histories that this package writes. A reader refuses other versions.
const FormatVersion = 1

// StagingData is what the harness did and saw as a client of the staging server. The secret is in no event.
type StagingData struct {
	ResourceID string   `json:"resourceID"`
	Files      []string `json:"files,omitempty"`    // names, of an upload
	SHA256     string   `json:"sha256,omitempty"`   // of the bytes that were uploaded or received
	Expected   string   `json:"expected,omitempty"` // of a fetch: the hash of what was uploaded
	Bytes      int64    `json:"bytes,omitempty"`
	Server     string   `json:"server,omitempty"` // the pod that was asked
	Status     int      `json:"status,omitempty"` // of HTTP
	Attempts   int      `json:"attempts,omitempty"`
	Error      string   `json:"error,omitempty"`
}

// WorkloadData defines how the workload's objects are recognised in the events that follow.
type WorkloadData struct {
	Namespace  string `json:"namespace"`
	DriverKind string `json:"driverKind"` // of what keeps a driver running: "Job"; "Pod" if nothing does
	DriverName string `json:"driverName"` // of the object of that kind
	DriverUID  string `json:"driverUID"`  // of the object of that kind; empty if it did not exist yet
	// DriverSelector selects drivers' pods by their labels; empty: they are those of the Job, or the bare Pod of the name.
	DriverSelector string `json:"driverSelector,omitempty"`
	// Attached says that somebody else launched the application. Then drivers are those that were made since DriversSince, executors those
	// that ExecutorSelector selects.
	Attached         bool      `json:"attached,omitempty"`
	DriversSince     time.Time `json:"driversSince,omitzero"`
	ExecutorSelector string    `json:"executorSelector,omitempty"`
	// LaunchedBy is the object that was created to launch the application; empty in histories of older releases.
	LaunchedBy Object `json:"launchedBy,omitzero"`
	RunLabel   string `json:"runLabel"` // value of the label sparkchaos.dev/run that all pods of the run carry
	Image      string `json:"image"`
	ImageID    string `json:"imageID"`
}

// PhaseLaunch is the phase in which the workload is launched: processes that were seen before it are the baseline's.
const PhaseLaunch = "launch"

// PhaseData names a phase of the run: preflight, cluster, baseline, launch, faults, settle, outputs, recover, collect, cleanup.
type PhaseData struct {
	Phase string `json:"phase"`
	Error string `json:"error,omitempty"`
}

// AnchorData is the state of an anchor: what is awaited and what was seen.
type AnchorData struct {
	Step     string          `json:"step"`               // the plan's step that waits, e.g. "lose-driver-node/inject"
	Anchor   json.RawMessage `json:"anchor"`             // as in the plan
	Deadline time.Duration   `json:"deadline"`           // how long at most
	Evidence []int64         `json:"evidence,omitempty"` // sequence numbers of the events that made it true
	Seen     string          `json:"seen,omitempty"`     // what was seen instead, in words
}

// FaultData is the state of a fault.
type FaultData struct {
	Fault    string            `json:"fault"` // the name in the scenario
	Kind     string            `json:"kind"`  // e.g. nodePowerOff
	Targets  []Object          `json:"targets,omitempty"`
	Args     json.RawMessage   `json:"args,omitempty"`
	Evidence json.RawMessage   `json:"evidence,omitempty"` // a cluster.Evidence, or objects before and after
	Began    *time.Time        `json:"began,omitempty"`    // when the disturbance began to act, by the harness's clock
	Reason   string            `json:"reason,omitempty"`
	Detail   map[string]string `json:"detail,omitempty"`
	// LeavesRunning says that what runs on the targets is not hit: it continues, and only nothing more is put there.
	LeavesRunning bool `json:"leavesRunning,omitempty"`
	// Effects says what the fault does to what runs on its targets. Empty in histories of older releases; a reader then goes by Kind.
	Effects []Effect `json:"effects,omitempty"`
}

// Effect is what a fault does to the pods and processes on its targets.
type Effect string

// The effects of faults.
const (
	EndsProcesses Effect = "endsProcesses" // the processes end: the power fails, a container is killed
	EndsPods      Effect = "endsPods"      // pods are deleted or evicted; their processes end unless the node is out of reach
	CutsNetwork   Effect = "cutsNetwork"   // the processes continue, and nobody or only some reach them
	Pauses        Effect = "pauses"        // the processes stand still and continue later
	Slows         Effect = "slows"         // the processes continue, more slowly
	SkewsClock    Effect = "skewsClock"    // the processes continue, with a wrong clock
	SilencesNode  Effect = "silencesNode"  // the node's kubelet is silent: Kubernetes may give up pods whose processes continue
	MarksNode     Effect = "marksNode"     // only the Node object changes: nothing more is scheduled to it
)

// DidNotHold is the key in the Detail of recovery events under which they explain why a fault that had landed was no
// longer in effect when its recovery began.
const DidNotHold = "didNotHold"

// GapUntilEnd begins the reason of a gap that did not end before the record did.
const GapUntilEnd = "nothing was seen until the end of the record"

// GapData describes a broken watch.
type GapData struct {
	Reason string        `json:"reason"`
	For    time.Duration `json:"for"` // how long nothing could be seen
}

// BaselineData is the result of the workload without faults.
type BaselineData struct {
	Results map[string]string `json:"results"` // the ledger: key → value, as committed by the application
	Cached  bool              `json:"cached"`
	RunID   string            `json:"runID"`
	Key     string            `json:"key"` // of the cache: the first 8 bytes of the SHA-256 of Inputs, in hexadecimal
	// Inputs is what the key is made of, as a JSON object; see BaselineInputs.
	Inputs json.RawMessage `json:"inputs,omitempty"`
	// Took is the time from the launch to the end of the application; 0 in histories and caches of older releases.
	Took time.Duration `json:"took,omitempty"`
	// Outputs are those that the workload names, as they were read after the run without faults.
	Outputs []OutputData `json:"outputs,omitempty"`
}

// BaselineInputs is everything that decides the result of a workload without faults. Values from Secrets are named, not spelled out.
type BaselineInputs struct {
	Application json.RawMessage `json:"application"`
	Executors   json.RawMessage `json:"executors"`
	Conf        json.RawMessage `json:"conf"`
	Image       string          `json:"image"`
	ImageID     string          `json:"imageID"`
	Seed        uint64          `json:"seed"`      // 0 unless the workload reads the word source
	Artifacts   string          `json:"artifacts"` // digest of what the staging server serves; empty without
	// DriverTemplate is what the scenario adds to the driver's pod; nil for nothing.
	DriverTemplate json.RawMessage `json:"driverTemplate,omitempty"`
	// Output is what of the workload's outputs is read, and how; nil for none.
	Output json.RawMessage `json:"output,omitempty"`
	// Reader is OutputReader of the release that read the outputs; 0 without outputs.
	Reader int `json:"reader,omitempty"`
}

// OutputReader is the version of what is hashed of outputs. Fingerprints of different versions cannot be compared.
const OutputReader = 2

// CollectionData records how much of the witness's evidence on the nodes' disks was read.
type CollectionData struct {
	Node    string   `json:"node"`
	Files   int      `json:"files"`
	Records int      `json:"records"`
	Torn    int      `json:"torn"`             // unreadable last lines, as a power loss leaves them
	Errors  []string `json:"errors,omitempty"` // non-empty: the node's evidence is incomplete
	// Took is how long the reading took: nothing that was written after it began is sure to be in the history.
	Took time.Duration `json:"took,omitempty"`
	// Writers are the processes whose files were read. Nil in histories of older releases.
	Writers []WriterData `json:"writers,omitempty"`
}

// WriterData records what a process left on its node's disk.
type WriterData struct {
	PodUID  string `json:"podUID"` // of an init container's records with the suffix ArtifactsWriter
	Records int    `json:"records"`
	First   int64  `json:"first"` // sequence numbers of the first and the last record
	Last    int64  `json:"last"`
	Torn    bool   `json:"torn,omitempty"` // the last line was unreadable
}

// ConflictData names a witness record that came twice with different content. The version from the node's disk follows in the history
// as a record of its own, with Via "disk".
type ConflictData struct {
	PodUID string `json:"podUID"`
	Seq    int64  `json:"seq"`
	Node   string `json:"node,omitempty"`
}

// ClusterData is the state of the nodes.
type ClusterData struct {
	When  string      `json:"when"` // "before" the launch or "after" the run, before the clean-up
	Nodes []NodeState `json:"nodes"`
}

// NodeState is what Kubernetes and the cluster know of a node.
type NodeState struct {
	Name          string   `json:"name"`
	UID           string   `json:"uid,omitempty"`
	BootID        string   `json:"bootID,omitempty"`
	Ready         bool     `json:"ready"`
	Unschedulable bool     `json:"unschedulable,omitempty"`
	Taints        []string `json:"taints,omitempty"`    // key=value:effect
	Machine       string   `json:"machine,omitempty"`   // running, off, frozen, isolated, kubeletStopped; empty if unknown
	Disturbed     bool     `json:"disturbed,omitempty"` // the machine is off, frozen, isolated or without kubelet
}

// LoadData records how busy a machine was during a time that ends with the event. A figure that is not available is
// negative.
type LoadData struct {
	For      time.Duration `json:"for"`      // the time that was measured
	CPUs     int           `json:"cpus"`     // that the harness may use
	Runnable float64       `json:"runnable"` // mean number of processes that ran or waited for a CPU
	// CPU is the share of the time in which a process waited for a CPU, 0 to 1 (pressure stall information, "some").
	CPU       float64       `json:"cpu"`
	Memory    float64       `json:"memory"`    // likewise for memory
	IO        float64       `json:"io"`        // likewise for disks
	TimerLate time.Duration `json:"timerLate"` // the most by which a timer of the harness was late
	// Node is the node that was measured; empty: the harness's own machine, and all nodes that live on it.
	Node string `json:"node,omitempty"`
}

// ClocksData records by how much the nodes' clocks differed from the harness's clock.
type ClocksData struct {
	Nodes []ClockOffset `json:"nodes"`
}

// ClockOffset is by how much a node's clock was ahead of the harness's; negative: behind.
type ClockOffset struct {
	Node        string        `json:"node"`
	Offset      time.Duration `json:"offset"`
	Uncertainty time.Duration `json:"uncertainty"` // half of the round trip in which it was asked
}

// The names that LeftoversData.Checked has for what the harness looks for after the clean-up.
const (
	LeftNamespaces  = "namespaces of the run"
	LeftContents    = "pods and jobs of the run" // where the cluster goes with the run, and its namespaces with it
	LeftVolumes     = "volumes of the run"
	LeftDirectories = "directories of the run on the nodes' disks"
	LeftNodes       = "nodes that are off, frozen, isolated or without kubelet"
	LeftRecords     = "undo records that are open"
)

// LeftoversData lists what was left after the clean-up.
type LeftoversData struct {
	Checked []string `json:"checked"` // what was looked for, in words
	Found   []Object `json:"found,omitempty"`
	// Unseen are undo records that stay open, and nobody could look at what they are about: it may be left, or not.
	Unseen []Object `json:"unseen,omitempty"`
	Errors []string `json:"errors,omitempty"`
}

// SpansData counts the spans that the cluster's components exported. They are for people: no verdict looks at them.
type SpansData struct {
	Kept    int    `json:"kept"`
	Dropped int    `json:"dropped,omitempty"` // for lack of room, or because the file could not be written
	Bytes   int64  `json:"bytes"`             // of the file
	Most    int64  `json:"most"`              // bytes that it may have
	Error   string `json:"error,omitempty"`   // of the file or the receiver
}

// ProblemData is a failure of the harness that may cost evidence.
type ProblemData struct {
	What  string `json:"what"`
	Error string `json:"error"`
}

// RunEndData closes a history.
type RunEndData struct {
	Interrupted bool   `json:"interrupted,omitempty"`
	Error       string `json:"error,omitempty"` // cluster or environment trouble that ended the run: verdict error
}

// Package scenario is the file that a user writes: what to launch, what to break and when, and what must hold.
// It knows the shape of faults, anchors and invariants, but not which ones exist: that comes in as a Catalogue,
// so nothing here depends on the packages that implement them.
//
// The struct tags are the one place where the format is laid down; the loader and the JSON schema both read them:
// json (a field without omitempty must be given), enum, pattern, like, min, max, choice, ref; see
// internal/strictyaml for what each means.
package scenario

import "time"

// APIVersion and Kind open every scenario file.
const (
	APIVersion = "sparkchaos.dev/v1alpha1"
	Kind       = "Scenario"
)

// Scenario is one experiment.
type Scenario struct {
	APIVersion string   `json:"apiVersion" enum:"sparkchaos.dev/v1alpha1"` // version of this format
	Kind       string   `json:"kind" enum:"Scenario"`                      // always Scenario
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names a scenario.
type Metadata struct {
	// a DNS label of at most 45 characters; the run directory, the namespace and the report carry it
	Name string `json:"name" pattern:"^[a-z0-9]([-a-z0-9]{0,43}[a-z0-9])?$" like:"driver-node-power-off"`
	// what it shows and why, for readers
	Description string `json:"description,omitempty"`
	// for selection: tier, component …
	Labels map[string]string `json:"labels,omitempty"`
}

// Spec is what to do.
type Spec struct {
	Cluster  Cluster       `json:"cluster,omitempty"`
	Workload Workload      `json:"workload"`
	Baseline bool          `json:"baseline,omitempty"` // run once without faults first; its result is the oracle of resultEqualsBaseline
	Faults   []Fault       `json:"faults,omitempty"`
	Expect   []Expectation `json:"expect" choice:"invariant"` // what must hold over the whole history
	Control  *Control      `json:"control,omitempty"`         // set: a known-bad configuration that must not pass
	Settle   Duration      `json:"settle,omitempty" min:"1s"` // how long the application may take to complete after the last fault
}

// Cluster says on what kind of cluster the scenario is meant to run.
type Cluster struct {
	Workers int    `json:"workers,omitempty" min:"1" max:"50"` // nodes beside the control plane
	Timing  Timing `json:"timing,omitempty"`                   // how soon Kubernetes notices a dead node
}

// Timing is a name (fast, production) or explicit knobs.
type Timing struct {
	Name  string `json:"-"`
	Knobs *Knobs `json:"-"`
}

// Knobs decide how soon Kubernetes notices a dead node. Fields that are not given are as in production.
type Knobs struct {
	// kubelet's status updates
	NodeStatusUpdateFrequency Duration `json:"nodeStatusUpdateFrequency,omitempty" min:"100ms"`
	// whole seconds; kubelet renews its lease four times in it
	NodeLeaseDuration Duration `json:"nodeLeaseDuration,omitempty" min:"1s"`
	// how often the node controller looks
	NodeMonitorPeriod Duration `json:"nodeMonitorPeriod,omitempty" min:"100ms"`
	// silence after which a node is NotReady
	NodeMonitorGracePeriod Duration `json:"nodeMonitorGracePeriod,omitempty" min:"1s"`
}

// Workload is the Spark application and the components around it.
type Workload struct {
	Application Application `json:"application"`
	// the user's own image instead of the one built here; official entry point's contract
	Image string `json:"image,omitempty" pattern:"^[^\\s]+$" like:"registry.example/spark:4.1.0"`
	// the user's own image as a file beside the scenario: what docker save writes, or an OCI image layout in a tar; it is
	// loaded into the nodes of embedded and kind clusters
	ImageArchive string `json:"imageArchive,omitempty" pattern:"^[^\\s:]+\\.(tar|tar\\.gz|tgz)$" like:"etl.tar"`
	// who makes the driver: job (default), a Job of the run with Spark in client mode; spark-submit, which in cluster mode
	// makes a bare Pod that nothing replaces; sparkApplication, kubeflow's operator, which a run installs on embedded and kind
	// clusters that have none; apacheSparkApplication, Apache's operator. Otherwise the operator must be installed in the
	// cluster. It must watch all namespaces. attach: somebody else, see attach
	Launcher string `json:"launcher,omitempty" enum:"job|spark-submit|sparkApplication|apacheSparkApplication|attach"`
	// for launcher: attach: where the application is that somebody else starts. Nothing of it is made, changed or removed
	Attach *Attach `json:"attach,omitempty"`
	// which of the images that are built here it runs in; without it, that of the Spark with which the workloads are built
	Spark *SparkImage `json:"spark,omitempty"`
	// on (default): drivers and executors report what they do; off: nothing is added to the application, and only what
	// Kubernetes says about it is judged
	Witness        string         `json:"witness,omitempty" enum:"on|off"`
	Driver         Driver         `json:"driver,omitempty"`
	Executors      Executors      `json:"executors,omitempty"`
	StagingServer  StagingServer  `json:"stagingServer,omitempty"`
	ShuffleService ShuffleService `json:"shuffleService,omitempty"`
	// files beside the scenario with Kubernetes objects that the application needs: they are created in the run's namespace,
	// awaited before the driver starts, and removed with it
	Manifests []string `json:"manifests,omitempty" like:"minio.yaml"`
	// what the application writes, as resultEqualsBaseline and outputFilesOnce judge it
	Output []Output `json:"output,omitempty"`
	// what /shared is made of: shared (default) is seen by all nodes; local is a volume on the disk of the first driver's
	// node, and only there can be mounted; node is a directory on each node's own disk, another one on each
	Storage string `json:"storage,omitempty" enum:"shared|local|node"`
	// what Spark's settings begin with: resilient (default) notices a lost node within half a minute, stock leaves Spark's
	// defaults
	Profile string `json:"profile,omitempty" enum:"stock|resilient"`
	// any Spark setting; wins over the profile's and the launcher's own. A secret value is given as {fromEnv: NAME} or
	// {fromFile: PATH}
	Conf map[string]ConfValue `json:"conf,omitempty"`
}

// SparkImage chooses one of the images that are built here.
type SparkImage struct {
	// of Spark; "sparkchaos image build --help" lists them
	Version string `json:"version,omitempty" pattern:"^[0-9]+\\.[0-9]+\\.[0-9]+$" like:"3.5.9"`
	// with Python, for Python applications
	Python bool `json:"python,omitempty"`
}

// Driver is how the driver is run.
type Driver struct {
	// Job (default) or Pod; for launcher: job
	Kind string `json:"kind,omitempty" enum:"Job|Pod"`
	// TerminatingOrFailed (default): available, two drivers may overlap; Failed: never two, may wait for ever. Job only
	PodReplacementPolicy string `json:"podReplacementPolicy,omitempty" enum:"TerminatingOrFailed|Failed"`
	// how many failed drivers are replaced: by the Job, or by an operator with restartPolicy: OnFailure; default 6
	BackoffLimit *int32 `json:"backoffLimit,omitempty" min:"0" max:"1000"`
	// when an operator starts the application again; Always: also one that succeeded; default Never. For launcher:
	// sparkApplication and apacheSparkApplication
	RestartPolicy string `json:"restartPolicy,omitempty" enum:"Always|OnFailure|Never"`
	// for not-ready and unreachable nodes; default 2
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty" min:"0" max:"86400"`
	// of the JVM's heap, as Spark writes it: 512m
	Memory string `json:"memory,omitempty" pattern:"^[1-9][0-9]*[kmgt]$" like:"512m"`
	// CPU request, as Kubernetes writes it: "0.5"
	Cores string `json:"cores,omitempty" pattern:"^([0-9]+(\\.[0-9]{1,3})?|[0-9]+m)$" like:"\"0.5\""`
	// prefers the node of that component's pod
	Beside string `json:"beside,omitempty" words:"component"`
	// pins the driver to one node; for a bare Pod in experiments
	NodeName string `json:"nodeName,omitempty" pattern:"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$" like:"worker-1"`
	// parts of a PodTemplateSpec for the driver's pod: variables, volumes, containers beside Spark's …; its container is
	// called spark-kubernetes-driver
	Template *PodTemplate `json:"template,omitempty"`
	// parts of the Job's JobSpec: podFailurePolicy, activeDeadlineSeconds, ttlSecondsAfterFinished …; Job only
	Job *JobOverlay `json:"job,omitempty"`
}

// Executors is how the executors are run.
type Executors struct {
	// how many
	Instances int `json:"instances,omitempty" min:"1" max:"1000"`
	// task slots of each
	Cores int `json:"cores,omitempty" min:"1" max:"256"`
	// CPU request, as Kubernetes writes it: "0.5"
	RequestCores string `json:"requestCores,omitempty" pattern:"^([0-9]+(\\.[0-9]{1,3})?|[0-9]+m)$" like:"\"0.5\""`
	// of the heap, as Spark writes it: 512m
	Memory string `json:"memory,omitempty" pattern:"^[1-9][0-9]*[kmgt]$" like:"512m"`
	// for not-ready and unreachable nodes; default 2
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty" min:"0" max:"86400"`
	// parts of a PodTemplateSpec for the executors' pods; Spark's container is called spark-kubernetes-executor
	Template *PodTemplate `json:"template,omitempty"`
}

// Fault is one disturbance: what, when, and when it is undone.
type Fault struct {
	// a DNS label of at most 40 characters, unique in the scenario
	Name string `json:"name" pattern:"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$" like:"lose-driver-node"`
	// one fault of the catalogue and its arguments
	Inject Choice `json:"inject" choice:"fault"`
	// by what means; absent: the plan chooses what the cluster can do, built-in ones first
	By string `json:"by,omitempty" enum:"builtin|chaosMesh|cloud"`
	// the moment at which it is injected
	When Moment `json:"when"`
	// absent: undone when the application has settled
	Recover *Recover `json:"recover,omitempty"`
}

// The means by which a fault is brought about.
const (
	ByBuiltin   = "builtin"   // by this program: through the cluster's machines and the API
	ByCloud     = "cloud"     // by the cloud that the nodes are instances of, through Chaos Mesh
	ByChaosMesh = "chaosMesh" // by a resource of Chaos Mesh, whose effect is proven by this program
)

// Recover says when a fault is undone within the run. The delay may stand beside when or inside it, not both.
type Recover struct {
	When  Moment `json:"when"`
	Delay Span   `json:"delay,omitempty"`
}

// Moment is an anchor and a delay after it. In YAML the anchor's name stands beside delay and deadline:
// {executorsRegistered: {atLeast: 2}, delay: 2s}.
type Moment struct {
	Anchor   Choice   `json:"-"`
	Delay    Span     `json:"-"` // after the anchor
	Deadline Duration `json:"-"` // how long the anchor is awaited; zero: the anchor's own
}

// Choice is one entry of a catalogue with its arguments: {name: {args}} in YAML.
type Choice struct {
	Name string // of the catalogue's entry
	Args any    // a pointer to the entry's argument type, decoded strictly
}

// Expectation is one invariant and its arguments.
type Expectation = Choice

// Control says how a known-bad scenario must end.
type Control struct {
	EndsIn string `json:"endsIn" enum:"violation|inconclusive"`
	// the invariants that must be violated, all of them and no other
	Violated []string `json:"violated,omitempty"`
	// the faults that must not land, all of them and no other; required with endsIn: inconclusive
	NotLanded []string `json:"notLanded,omitempty"`
}

// Catalogue lists what a scenario may name.
type Catalogue struct {
	Faults     []Entry
	Anchors    []Entry
	Invariants []Entry
}

// Entry is one fault, anchor or invariant as a scenario sees it. Argument types are structs of strings, numbers,
// bools, durations (Duration or time.Duration), their pointers, lists and structs, with the tags that the package
// comment names. Arguments that leave something to chance have a method Choose(executors int, pick func(n int) int);
// the plan calls it.
type Entry struct {
	Name string     // as in YAML
	Doc  string     // one sentence, for the schema, explain and docs
	Args func() any // a new pointer to its argument type, with its defaults set
	// Check returns what is wrong with decoded arguments, one problem each; nil when nothing can be.
	Check func(args any) []string
	// Phrase says it in words with its arguments: a fault as what is done ("cut the power of the driver's node"), an
	// anchor as what has happened ("2 executors are registered"), an invariant as what must hold ("the driver runs again
	// within 60s"). Nil: name and arguments are shown as they are.
	Phrase func(args any) string

	Deadline time.Duration           // anchors: how long one is awaited when the scenario does not say
	Needs    func(args any) []string // faults: the cluster.Actions that injecting and undoing it take; nil: none
	By       []string                // faults: the means by which it can be brought about, the preferred first; nil: built-in ones alone
	Instant  bool                    // faults: nothing is left to be undone afterwards (a killed pod), so recover is refused
	Baseline bool                    // invariants: judged against the baseline, so the scenario must ask for one
	Files    bool                    // invariants: judged from files of the workload's outputs, so it must name one
	Witness  bool                    // anchors and invariants: nothing but the reports of drivers and executors shows it
	// Bound returns until when a run must continue to judge an invariant: before that, what has not happened may still come.
	// Nil: it never needs more time than the application takes.
	Bound func(args any) Bound
}

// Bound is a time within which something has to happen. Zero: there is none.
type Bound struct {
	Within time.Duration
	Since  Since // from when it counts
}

// Since is the event from which a bound counts.
type Since string

// The events from which bounds count.
const (
	SinceLaunch    Since = "launch"    // of the workload
	SinceFault     Since = "fault"     // the moment at which a fault began to act
	SinceDriverEnd Since = "driverEnd" // the last sign of life of a driver that was replaced
)

// Package scenario is the file that a user writes: what to launch, what to break and when, and what must hold.
// It knows the shape of faults, anchors and invariants, but not which ones exist: that comes in as a Catalogue,
// so nothing here depends on the packages that implement them.
package scenario

// APIVersion and Kind open every scenario file.
const (
	APIVersion = "sparkchaos.dev/v1alpha1"
	Kind       = "Scenario"
)

// Scenario is one experiment.
type Scenario struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names a scenario.
type Metadata struct {
	Name        string            `json:"name"`                  // a DNS label; the run directory, the namespace and the report carry it
	Description string            `json:"description,omitempty"` // what it shows and why, for readers
	Labels      map[string]string `json:"labels,omitempty"`      // for selection: tier, component …
}

// Spec is what to do.
type Spec struct {
	Cluster  Cluster       `json:"cluster,omitempty"`
	Workload Workload      `json:"workload"`
	Baseline bool          `json:"baseline,omitempty"` // run once without faults first; its result is the oracle of resultEqualsBaseline
	Faults   []Fault       `json:"faults,omitempty"`
	Expect   []Expectation `json:"expect"`
	Control  *Control      `json:"control,omitempty"` // set: a known-bad configuration that must not pass
	Settle   Duration      `json:"settle,omitempty"`  // how long the application may take to complete after the last fault
}

// Cluster says on what kind of cluster the scenario is meant to run.
type Cluster struct {
	Workers int    `json:"workers,omitempty"`
	Timing  Timing `json:"timing,omitempty"`
}

// Timing is a name (fast, production) or explicit knobs.
type Timing struct {
	Name  string `json:"-"`
	Knobs *Knobs `json:"-"`
}

// Knobs decide how soon Kubernetes notices a dead node.
type Knobs struct {
	NodeStatusUpdateFrequency Duration `json:"nodeStatusUpdateFrequency,omitempty"`
	NodeLeaseDuration         Duration `json:"nodeLeaseDuration,omitempty"`
	NodeMonitorPeriod         Duration `json:"nodeMonitorPeriod,omitempty"`
	NodeMonitorGracePeriod    Duration `json:"nodeMonitorGracePeriod,omitempty"`
}

// Workload is the Spark application and the components around it.
type Workload struct {
	Application    Application       `json:"application"`
	Image          string            `json:"image,omitempty"` // the user's own image instead of the one built here; official entry point's contract
	Driver         Driver            `json:"driver,omitempty"`
	Executors      Executors         `json:"executors,omitempty"`
	StagingServer  StagingServer     `json:"stagingServer,omitempty"`
	ShuffleService ShuffleService    `json:"shuffleService,omitempty"`
	Conf           map[string]string `json:"conf,omitempty"` // any Spark setting; wins over the launcher's own
}

// Application is what Spark runs.
type Application struct {
	Name      string   `json:"name"`
	MainClass string   `json:"mainClass"`
	Jar       string   `json:"jar,omitempty"` // local:///… inside the image
	Args      []string `json:"args,omitempty"`
}

// Driver is how the driver is run.
type Driver struct {
	Kind                 string `json:"kind,omitempty"`                 // Job (default) or Pod
	PodReplacementPolicy string `json:"podReplacementPolicy,omitempty"` // TerminatingOrFailed (default) or Failed; Job only
	BackoffLimit         *int32 `json:"backoffLimit,omitempty"`         // Job only; default 6
	TolerationSeconds    *int64 `json:"tolerationSeconds,omitempty"`    // for not-ready and unreachable nodes; default 2
	Memory               string `json:"memory,omitempty"`               // of the JVM's heap, as Spark writes it: 512m
	Cores                string `json:"cores,omitempty"`                // CPU request, as Kubernetes writes it: "0.5"
	NodeName             string `json:"nodeName,omitempty"`
}

// Executors is how the executors are run.
type Executors struct {
	Instances         int    `json:"instances,omitempty"`
	Cores             int    `json:"cores,omitempty"`        // task slots
	RequestCores      string `json:"requestCores,omitempty"` // CPU request, as Kubernetes writes it: "0.5"
	Memory            string `json:"memory,omitempty"`       // of the heap, as Spark writes it: 512m
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
}

// StagingServer keeps the application's artifacts: none (they come with the image); memory and durable are not built yet.
type StagingServer struct {
	Storage string `json:"storage,omitempty"`
}

// ShuffleService is Spark's external shuffle service; not built yet.
type ShuffleService struct {
	Enabled bool `json:"enabled,omitempty"`
}

// Fault is one disturbance: what, when, and when it is undone.
type Fault struct {
	Name    string   `json:"name"`
	Inject  Choice   `json:"inject"`            // one fault of the catalogue and its arguments
	When    Moment   `json:"when"`              //
	Recover *Recover `json:"recover,omitempty"` // absent: undone when the application has settled
}

// Recover says when a fault is undone within the run.
type Recover struct {
	When  Moment   `json:"when"`
	Delay Duration `json:"delay,omitempty"`
}

// Moment is an anchor and a delay after it. In YAML the anchor's name stands beside delay:
// {executorsRegistered: {atLeast: 2}, delay: 2s}.
type Moment struct {
	Anchor Choice   `json:"-"`
	Delay  Duration `json:"-"`
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
	EndsIn   string   `json:"endsIn"`             // violation or inconclusive
	Violated []string `json:"violated,omitempty"` // the invariants that must be violated
}

// Catalogue lists what a scenario may name.
type Catalogue struct {
	Faults     []Entry
	Anchors    []Entry
	Invariants []Entry
}

// Entry is one fault, anchor or invariant as a scenario sees it.
type Entry struct {
	Name string     // as in YAML
	Doc  string     // one sentence, for the schema, explain and docs
	Args func() any // a new pointer to its argument type, with its defaults set
	// Check returns what is wrong with decoded arguments, one problem each; nil when nothing can be.
	Check func(args any) []string
}

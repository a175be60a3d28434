// Package launcher turns a workload into Kubernetes objects: what launches its driver (by default a Job that runs stock
// Spark in client mode), and executors that belong to the driver's pod. Rendering is pure; Apply and Delete are all that
// touches a cluster.
package launcher

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// Labels by which the objects of a run are recognised.
const (
	RunLabel  = cluster.RunLabel      // the run's ID; on the namespace, on every object in it and on every pod
	RoleLabel = "sparkchaos.dev/role" // one of the roles below, or a component's; on pods

	RoleDriver   = history.RoleDriver
	RoleExecutor = history.RoleExecutor
)

// RoleValue returns the value of RoleLabel for a role. Kubernetes takes no slash in one.
func RoleValue(role string) string { return strings.ReplaceAll(role, "/", ".") }

// Where things are inside the containers of drivers and executors.
const (
	// SharedDirectory holds checkpoints and results; all nodes see it unless the workload's storage is another one.
	SharedDirectory  = "/shared"
	WitnessDirectory = "/witness"                           // the node's own directory for the witness's records
	SparkHome        = "/opt/spark"                         // as in Spark's official image
	confDirectory    = "/etc/sparkchaos"                    // not Spark's own, whose files a volume would hide
	WorkloadsJar     = "/opt/spark/workloads/workloads.jar" // in the image that is built here: the applications of this repository
)

// Environment is what a run adds to a workload: its identity, and what the cluster and the harness provide.
type Environment struct {
	RunID        string            // value of RunLabel
	Namespace    string            // one of its own for each run
	Image        string            // reference of the Spark image for workloads that name none of their own
	PodImage     string            // reference of the image with the program that components run in pods; needed by those that do
	PullPolicy   corev1.PullPolicy // empty means IfNotPresent
	Nodes        []string          // the cluster's workers; when given, a driver's nodeName must be one of them
	StorageClass string            // of the shared volume; empty means the cluster's default class
	// LocalStorageClass is that of volumes on one node's disk, for workloads with that storage; empty means the cluster's default.
	LocalStorageClass string
	Witness           Witness
	Source            Source
	OutputJar         []byte // of the reader of outputs, which is in the witness's jar; needed if the workload names outputs
	Words             *Words // served by a witness in the cluster, which Witness and Source are then; nil if pods reach the harness

	// The following are absolute paths on each node's own disk; they must exist and be writable for every user.
	NodeDirectory    string // for workloads whose storage it is
	ShuffleDirectory string // for the files that a shuffle service serves
}

// Witness defines where the witness plugin reports to. With neither URL nor Directory the plugin is left out.
type Witness struct {
	URL       string        // http://host:port of the harness's witness
	Directory string        // absolute path on each node's own disk; it must exist and be writable for every user
	Interval  time.Duration // between heartbeats; 0 means the plugin's default
	Secured   bool          // the URL's witness wants a token, which pods get from a Secret
	Jar       []byte        // of the plugin, which drivers and executors find in a ConfigMap, whatever their image
}

// Enabled reports whether drivers and executors report to a witness.
func (w Witness) Enabled() bool { return w.URL != "" || w.Directory != "" }

// Words are the stream that a witness in the cluster serves.
type Words struct {
	Seed                       uint64
	Vocabulary, WordsPerSecond int
}

// Source defines where the harness serves words to streaming workloads. Application arguments refer to it as
// $(SPARKCHAOS_SOURCE_URL), $(SPARKCHAOS_SOURCE_HOST) and $(SPARKCHAOS_SOURCE_PORT).
type Source struct {
	URL  string // http://host:port
	Host string // of the TCP half
	Port int    // of the TCP half; 0 when there is none
}

// problems returns everything that is wrong with the environment.
func (e Environment) problems() []error {
	var problems []error
	wrong := func(field, value string, reasons ...string) {
		for _, reason := range reasons {
			problems = append(problems, fmt.Errorf("environment: %s %q: %s", field, value, reason))
		}
	}
	if e.RunID == "" {
		wrong("run ID", e.RunID, "must not be empty")
	}
	wrong("run ID", e.RunID, validation.IsValidLabelValue(e.RunID)...)
	wrong("namespace", e.Namespace, validation.IsDNS1123Label(e.Namespace)...)
	if !slices.Contains([]corev1.PullPolicy{"", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever}, e.PullPolicy) {
		wrong("pull policy", string(e.PullPolicy), "want Always, IfNotPresent or Never")
	}
	for _, class := range []string{e.StorageClass, e.LocalStorageClass} {
		if class != "" {
			wrong("storage class", class, validation.IsDNS1123Subdomain(class)...)
		}
	}
	wrong("witness directory", e.Witness.Directory, directoryProblems(e.Witness.Directory)...)
	wrong("node directory", e.NodeDirectory, directoryProblems(e.NodeDirectory)...)
	wrong("shuffle directory", e.ShuffleDirectory, directoryProblems(e.ShuffleDirectory)...)
	if e.Witness.Interval < 0 || e.Witness.Interval%time.Millisecond != 0 {
		wrong("witness interval", e.Witness.Interval.String(), "want whole milliseconds")
	}
	wrong("witness URL", e.Witness.URL, urlProblems(e.Witness.URL)...)
	if e.Words != nil && !e.Witness.Secured {
		wrong("witness", e.Witness.URL, "one in the cluster wants a token, so those that report need it, too")
	}
	wrong("source URL", e.Source.URL, urlProblems(e.Source.URL)...)
	if e.Source.Port < 0 || e.Source.Port > 65535 || (e.Source.Port == 0) != (e.Source.Host == "") {
		wrong("source host and port", fmt.Sprintf("%s:%d", e.Source.Host, e.Source.Port), "want both, or neither")
	}
	return problems
}

// directoryProblems says what is wrong with a directory on the nodes' disks; none is no problem.
func directoryProblems(directory string) []string {
	if directory == "" || path.IsAbs(directory) && path.Clean(directory) == directory && directory != "/" {
		return nil
	}
	return []string{"want an absolute path on the nodes' disks, without . or .., other than /"}
}

// urlProblems says what is wrong with the address of an HTTP server; none is no problem.
func urlProblems(address string) []string {
	if address == "" {
		return nil
	}
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" || u.Host == "" {
		return []string{"want http://host:port"}
	}
	return nil
}

// ImagePullPolicy returns the policy with its default.
func (e Environment) ImagePullPolicy() corev1.PullPolicy {
	if e.PullPolicy == "" {
		return corev1.PullIfNotPresent
	}
	return e.PullPolicy
}

package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"
)

// Provider makes, finds and removes the clusters of one kind.
type Provider interface {
	// Kind is the name of the kind, such as embedded, kind or existing.
	Kind() string
	// Make returns the running cluster of that name, or creates it; made reports which.
	Make(ctx context.Context, spec Spec) (c Cluster, made bool, err error)
	// Open finds a cluster that exists; if there is none, the error is ErrNotFound.
	Open(name string) (Cluster, error)
	// Names returns the names of all clusters, including incomplete ones.
	Names() ([]string, error)
	// Remove removes a cluster with all that belongs to it; existed reports whether there was anything.
	Remove(ctx context.Context, name string) (existed bool, err error)
}

// Spec is the cluster that a run needs.
type Spec struct {
	Name    string
	Workers int
	Timing  Timing
	Images  []string // archives that every node must have
}

// Kind is one kind of clusters, as a program offers it: the options that it takes, and the provider that they describe.
type Kind struct {
	Name  string
	Title string // what its clusters are made of, in a few words
	// Foreign reports that its clusters are made by somebody else: none is created or removed, and only those that are allowed by name
	// are used.
	Foreign bool
	// Unavailable is why the kind cannot be used on this operating system; nil if it can.
	Unavailable error
	// AddFlags adds the flags of one use of clusters. It is called once for each use that a command makes of them, with the same flags:
	// ToPlan, or ToReach and with it ToRun, ToMake or both. The flags apply to all functions below.
	AddFlags func(flags *pflag.FlagSet, use Use)
	// ClusterName returns the name by which Provider.Open finds the cluster that somebody called name. The error is an *OptionError.
	ClusterName func(name string) (string, error)
	// CheckRun returns an *OptionError for each option that is missing for a run; nil if none is.
	CheckRun func() error
	// Can returns what can be done to clusters of the kind, before there is one.
	Can func() (Capabilities, error)
	// New returns the provider.
	New func(Environment) (Provider, error)
	// Diagnose checks whether clusters of the kind work on this machine. It changes nothing.
	Diagnose func(context.Context, Environment) Diagnosis
}

// Use is what clusters are used for; it determines which options apply.
type Use int

// The uses.
const (
	ToPlan  Use = iota // what can be done to a cluster is asked, of none in particular
	ToReach            // a cluster that exists is looked at, or acted on; it has the flags of ToPlan, too
	ToRun              // what a run needs beside ToReach
	ToMake             // a cluster is made by itself
)

// Environment is what a program provides to the kinds of clusters.
type Environment struct {
	State, Cache string // directories of what runs, and of what can be built again
	// Progress takes one line for each thing that happens; nil means silence.
	Progress func(line string)
	// Allow shows what may be disturbed of a cluster that others use, and returns nil if somebody allows it. Nil allows nothing.
	Allow func(ctx context.Context, name, shown string) error
}

// Say reports what happens.
func (e Environment) Say(line string) {
	if e.Progress != nil {
		e.Progress(line)
	}
}

// Capabilities is what can be done to the clusters of a kind, known before there is one.
type Capabilities struct {
	Kind    string
	Actions []Action // on its nodes
	// ChaosMesh reports that Chaos Mesh is installed or can be.
	ChaosMesh bool
	// Cloud reports that Chaos Mesh may stop nodes through the cloud.
	Cloud bool
}

// Summary is an entry in a list of clusters.
type Summary struct {
	Name    string
	State   string // such as "running", or why that is not known
	Nodes   int    // workers; 0 if it is not known
	Created time.Time
}

// Diagnosis reports whether and how a kind of clusters works on this machine.
type Diagnosis struct {
	Lacks error    // what keeps it from being made, each with how to fix it; nil: it can be made
	Notes []string // what one should know of it
	// Remedies are what this program can do itself about what is lacking.
	Remedies []Remedy
}

// Remedy is what this program can do about something that a machine lacks for clusters of a kind.
type Remedy string

// The remedies, in the order in which they help each other.
const (
	InstallPackages Remedy = "packages"   // of the distribution
	BuildComponents Remedy = "components" // into the cache
)

// References name the images that nodes pull; empty: none was named.
type References struct {
	Spark                     string
	Pod                       string // the harness's own program for pods
	ChaosMesh, ChaosMeshPause string // empty: those of the chart
}

// Secret names a Secret in the cluster.
type Secret struct{ Namespace, Name string }

// LeftRun is a run that ended without cleaning up, as far as it is known where it was.
type LeftRun struct {
	ClusterName string
	Cluster     Identity // zero if it is not known
	CleanUp     string   // the command line that cleans up after it; empty if it is not known
}

// OptionError reports an option that is missing or wrong; nothing was done.
type OptionError struct{ Err error }

// Optionf returns an OptionError.
func Optionf(format string, args ...any) error { return &OptionError{Err: fmt.Errorf(format, args...)} }

// Error implements error.
func (e *OptionError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the option.
func (e *OptionError) Unwrap() error { return e.Err }

// NamedHere returns the name of a cluster of this machine, or what is wrong with it.
func NamedHere(name string) (string, error) {
	if err := CheckName(name); err != nil {
		return "", &OptionError{Err: err}
	}
	return name, nil
}

// Reuse prepares a running cluster for a run. A cluster that differs is refused: a verdict under other timing would mislead. Images
// that it lacks are brought to its nodes.
func Reuse(ctx context.Context, c Own, spec Spec, kind string) error {
	if c.Workers() != spec.Workers || c.Timing() != spec.Timing {
		return fmt.Errorf("the cluster %s that runs has %d workers and timing %+v, the plan wants %d and %+v: take it down with "+
			"`sparkchaos cluster down --cluster %s --name %s`, or name another with --cluster-name",
			spec.Name, c.Workers(), c.Timing(), spec.Workers, spec.Timing, kind, spec.Name)
	}
	if stock, ok := c.(VolumeStock); ok {
		if err := stock.RenewVolumes(ctx); err != nil {
			return err
		}
	}
	return LoadMissing(ctx, c, c, spec.Images...)
}

// LoadMissing brings the images of archives to the nodes of a cluster, except those that its store has.
func LoadMissing(ctx context.Context, c Cluster, store ImageStore, archives ...string) error {
	for _, archive := range archives {
		if store.HasImage(archive) {
			continue
		}
		if err := c.Load(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

package runner

import (
	"context"
	"os"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Options describe a run.
type Options struct {
	Task
	Place
	Supplies
	Inputs
	Files
	Harness
}

// Task is what a run is to do.
type Task struct {
	Plan       *plan.Plan
	Scenario   []byte // the file as the user wrote it; nil if only the plan is known
	Own        Own    // what the scenario may name beside the shipped catalogue
	Repetition report.Repetition
}

// Place is the cluster of a run.
type Place struct {
	Clusters    cluster.Provider
	ClusterName string
	KeepCluster bool
	Flags       []string            // by which the user named the cluster, for the line that runs it again
	AddOn       AddOn               // by which some faults are injected
	Operator    OperatorOn          // nil: no operator is installed
	CloudSecret *faults.CloudSecret // by which the add-on reaches the nodes' cloud; nil if it does not
}

// Supplies are what the pods of a workload consist of.
type Supplies struct {
	Image func(context.Context, scenario.Workload) (Image, error) // of workloads that name no image of their own
	// ImageArchive takes the image of a workload from an archive that its scenario names; open opens that.
	ImageArchive func(ctx context.Context, w scenario.Workload, open func(context.Context, string) (*os.File, error)) (Image, error)
	PodImage     func(context.Context) (Image, error)  // of the program that components run in pods
	WitnessJar   func(context.Context) ([]byte, error) // of the plugin by which drivers and executors report
	// Components are those that the workload may have around its driver; nil means all that are known.
	Components []launcher.Component
}

// Inputs read what a scenario names of the machine on which the user is.
type Inputs struct {
	Artifact   func(ctx context.Context, name string) (*os.File, error) // opens a file
	Variable   func(name string) (string, error)                        // reads an environment variable; nil refuses all
	SecretFile func(name string) (string, error)                        // reads a file with a secret value; nil refuses all
}

// Files are where a run keeps what outlives it.
type Files struct {
	Runs      string // directory in which the run directory is made
	Baselines string // directory that caches the results of baselines
	Active    ActiveRuns
}

// Harness is the program that carries out a run, as its user sees it.
type Harness struct {
	Version  string // of sparkchaos
	CleanUp  string // the command line that cleans up after the run if it is killed
	Progress Progress
	Underway *Underway // learns what there is to undo; may be nil
}

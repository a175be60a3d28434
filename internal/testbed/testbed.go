// Package testbed is a cluster on which runs are carried out, with all that they work with: what package sparkchaos offers to programs, and
// through it to the command line.
package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// Testbed is a cluster that runs are carried out on, one at a time.
type Testbed struct {
	target   Target
	settings Settings
	base     runner.Options // what all runs have in common
	env      cluster.Environment
	made     bool   // by Make, so that Close removes it
	release  func() // lets go of the cluster
}

// New puts together what runs on a cluster work with. It touches and keeps away nothing.
func New(source Source, s Settings) (*Testbed, error) {
	target := source.Target
	if err := errors.Join(source.Err, s.Words.Err); err != nil {
		return nil, err
	}
	t := &Testbed{target: target, settings: s, release: func() {}}
	state, unknown := paths.State(s.Getenv)
	cache, unknown2 := paths.Cache(s.Getenv)
	if err := errors.Join(unknown, unknown2); err != nil {
		return nil, err
	}
	if err := paths.CheckState(state); err != nil {
		return nil, err
	}
	t.env = cluster.Environment{State: state, Cache: cache, Progress: s.say, Allow: s.Allow}
	name, err := target.Kind.ClusterName(target.Name)
	if err != nil {
		return nil, err
	}
	clusters, err := target.Kind.New(t.env)
	if err != nil {
		return nil, err
	}
	t.base = runner.Options{
		Task: runner.Task{Own: s.Words.Own},
		Place: runner.Place{
			Clusters: clusters, ClusterName: name, KeepCluster: s.Keep, Flags: s.Flags,
			AddOn:    assembly.AddOn(assembly.Supplies{Cache: cache, Images: assembly.ReferencesOf(clusters), Say: s.say}),
			Operator: assembly.OperatorOn(cache, s.Progress),
		},
		Supplies: runner.Supplies{
			Image: assembly.WorkloadImage(cache, s.Progress), ImageArchive: assembly.GivenImage(cache, s.Progress),
			PodImage: assembly.CachedImage(image.Staging, cache, s.Progress), WitnessJar: assembly.WitnessJar(cache, s.Progress),
		},
		Inputs: runner.Inputs{Variable: s.Allowances.variable(os.LookupEnv)},
		Files: runner.Files{
			Runs: s.Runs, Baselines: filepath.Join(cache, "baselines"), Active: runner.ActiveRuns{Dir: filepath.Join(state, "runs")},
		},
		Harness: runner.Harness{Version: assembly.Version(), CleanUp: s.CleanUp, Progress: s.Progress},
	}
	return t, t.usePulledImages(clusters)
}

// usePulledImages has the nodes of a cluster that pulls its images pull those that were named.
func (t *Testbed) usePulledImages(clusters cluster.Provider) error {
	if puller, ok := clusters.(cluster.Puller); ok {
		references := puller.References()
		t.base.Image, t.base.ImageArchive = assembly.PulledImage(references.Spark), assembly.NoGivenImage
		t.base.PodImage = assembly.ImageNamed(references.Pod, "--pod-image", "that of the program that runs in pods")
	}
	clouded, ok := clusters.(cluster.Clouded)
	if !ok {
		return nil
	}
	secret, err := clouded.CloudSecret()
	if err != nil || secret == nil {
		return err
	}
	t.base.CloudSecret = &faults.CloudSecret{Namespace: secret.Namespace, Name: secret.Name}
	return nil
}

// Reserve keeps other runs away from the cluster until Close, and cleans up what killed runs left on it.
func (t *Testbed) Reserve(ctx context.Context) error {
	if err := t.target.Kind.CheckRun(); err != nil {
		return err
	}
	if err := t.hold(ctx); err != nil {
		return err
	}
	if err := paths.MarkState(t.env.State, t.base.Version); err != nil {
		t.release()
		return err
	}
	if err := t.cleanUpBefore(ctx); err != nil {
		t.release()
		return err
	}
	return nil
}

// hold keeps other runs away from a cluster of this machine.
func (t *Testbed) hold(ctx context.Context) error {
	exclusive, ok := t.base.Clusters.(cluster.Exclusive)
	if !ok {
		return nil
	}
	waiting, done := t.settings.waiting(t.base.ClusterName)
	defer done()
	release, err := exclusive.Hold(ctx, t.base.ClusterName, cluster.Holding(t.settings.Purpose), t.settings.Patience, waiting)
	if err != nil {
		return err
	}
	t.release = release
	return nil
}

// Make makes the cluster, or takes the running one of that name if it is as it is to be, for all runs until Close.
func (t *Testbed) Make(ctx context.Context) (err error) {
	spec := cluster.Spec{Name: t.base.ClusterName, Workers: t.target.Workers, Timing: t.target.Timing}
	if _, t.made, err = t.base.Clusters.Make(ctx, spec); err != nil {
		t.release()
		return err
	}
	t.base.KeepCluster = true // until Close
	return nil
}

// removeTimeout bounds the removal of a cluster.
const removeTimeout = 3 * time.Minute

// Close removes the cluster if Make made it and it is not to be kept, and lets other runs have it.
func (t *Testbed) Close() error {
	defer t.release()
	if !t.made || t.settings.Keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	_, err := t.base.Clusters.Remove(ctx, t.base.ClusterName)
	if err != nil {
		return fmt.Errorf("remove cluster %s: %w", t.base.ClusterName, err)
	}
	t.made = false
	return nil
}

// Provider returns the provider of the cluster's kind, and the name by which it opens the cluster.
func (t *Testbed) Provider() (cluster.Provider, string) { return t.base.Clusters, t.base.ClusterName }

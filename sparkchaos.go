// Package sparkchaos tests whether Spark applications on Kubernetes survive the loss of nodes and pods: it launches an application on a real
// cluster, injects faults, records what happens and judges the record.
//
// Start makes or finds a cluster and keeps other runs away from it. Cluster.Run carries out a scenario and returns a Verdict:
//
//	cluster, err := sparkchaos.Start(ctx, sparkchaos.Embedded(3))
//	…
//	defer cluster.Close()
//	verdict, err := cluster.Run(ctx, sparkchaos.Scenario("driver-node-power-off").Expect(invariant.DriverRescheduled(time.Minute)))
//
// A program that makes embedded clusters must call Main first in its main function, or in TestMain: the machines of a cluster are processes
// of the same program.
//
// Judge judges the directory of a stored run again; it needs no cluster. Package invariant has the shipped invariants, sparkchaostest a matcher
// for Gomega. The packages below pkg/ are what this one is put together from.
package sparkchaos

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

// Cluster is a cluster that runs are carried out on, one at a time.
type Cluster struct {
	source   Source
	settings settings
	base     runner.Options // what all runs have in common
	env      cluster.Environment
	made     bool   // by Start, so that Close removes it
	release  func() // lets go of the cluster; nil if it is not held
}

// Start makes a cluster, or takes the running one of that name if it is as it is to be, and keeps other runs away from it until Close. What
// killed runs left on it is cleaned up.
func Start(ctx context.Context, source Source, options ...Option) (*Cluster, error) {
	c, err := Reserve(ctx, source, options...)
	if err != nil {
		return nil, err
	}
	spec := cluster.Spec{Name: c.base.ClusterName, Workers: source.workers, Timing: source.timing}
	if _, c.made, err = c.base.Clusters.Make(ctx, spec); err != nil {
		c.release()
		return nil, err
	}
	c.base.KeepCluster = true // until Close
	return c, nil
}

// Reserve is Start for a cluster that each run makes by itself, if it is not there, and removes.
func Reserve(ctx context.Context, source Source, options ...Option) (*Cluster, error) {
	c, err := Prepare(source, options...)
	if err != nil {
		return nil, err
	}
	if err := source.kind.CheckRun(); err != nil {
		return nil, err
	}
	if err := c.hold(ctx); err != nil {
		return nil, err
	}
	if err := c.cleanUpBefore(ctx); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// Prepare puts together what runs on a cluster work with. It touches and keeps away nothing.
func Prepare(source Source, options ...Option) (*Cluster, error) {
	if source.err != nil {
		return nil, source.err
	}
	c := &Cluster{source: source, settings: newSettings(options), release: func() {}}
	s := c.settings
	if s.vocabulary.err != nil {
		return nil, s.vocabulary.err
	}
	state, unknown := paths.State(s.getenv)
	cache, unknown2 := paths.Cache(s.getenv)
	if err := errors.Join(unknown, unknown2); err != nil {
		return nil, err
	}
	c.env = cluster.Environment{State: state, Cache: cache, Progress: s.say, Allow: s.allow}
	name, err := source.kind.ClusterName(source.name)
	if err != nil {
		return nil, err
	}
	clusters, err := source.kind.New(c.env)
	if err != nil {
		return nil, err
	}
	c.base = runner.Options{
		Runs: s.runs, ClusterName: name, Clusters: clusters, KeepCluster: s.keep, Flags: s.flags, CleanUp: s.cleanUp,
		Image: assembly.CachedImage(image.Spark, cache, s.progress), Staging: assembly.CachedImage(image.Staging, cache, s.progress),
		Baselines: filepath.Join(cache, "baselines"),
		ChaosMesh: assembly.ChaosMeshOn(assembly.ImagesOf(cache), assembly.ReferencesOf(clusters), s.say),
		Variable:  s.variable, Own: s.vocabulary.own,
		Active: runner.ActiveRuns{Dir: filepath.Join(state, "runs")}, Progress: s.progress, Version: assembly.Version(),
	}
	return c, c.usePulledImages(clusters)
}

// usePulledImages has the nodes of a cluster that pulls its images pull those that were named.
func (c *Cluster) usePulledImages(clusters cluster.Provider) error {
	if puller, ok := clusters.(cluster.Puller); ok {
		references := puller.References()
		c.base.Image = assembly.ImageNamed(references.Spark, "--image", "Spark's")
		c.base.Staging = assembly.ImageNamed(references.Pod, "--pod-image", "that of the program that runs in pods")
	}
	clouded, ok := clusters.(cluster.Clouded)
	if !ok {
		return nil
	}
	secret, err := clouded.CloudSecret()
	if err != nil || secret == nil {
		return err
	}
	c.base.CloudSecret = &faults.CloudSecret{Namespace: secret.Namespace, Name: secret.Name}
	return nil
}

// hold keeps other runs away from a cluster of this machine.
func (c *Cluster) hold(ctx context.Context) error {
	c.release = func() {}
	exclusive, ok := c.base.Clusters.(cluster.Exclusive)
	if !ok {
		return nil
	}
	waiting, done := c.settings.waiting(c.base.ClusterName)
	defer done()
	release, err := exclusive.Hold(ctx, c.base.ClusterName, cluster.Holding(c.settings.purpose), c.settings.patience, waiting)
	if err != nil {
		return err
	}
	c.release = release
	return nil
}

// removeTimeout bounds the removal of a cluster.
const removeTimeout = 3 * time.Minute

// Close removes the cluster if Start made it and it is not to be kept, and lets other runs have it.
func (c *Cluster) Close() error {
	defer c.release()
	if !c.made || c.settings.keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	_, err := c.base.Clusters.Remove(ctx, c.base.ClusterName)
	if err != nil {
		return fmt.Errorf("remove cluster %s: %w", c.base.ClusterName, err)
	}
	c.made = false
	return nil
}

// Provider returns the provider of the cluster's kind, and the name by which it opens the cluster.
func (c *Cluster) Provider() (cluster.Provider, string) { return c.base.Clusters, c.base.ClusterName }

// settings are what options choose.
type settings struct {
	getenv     func(string) string
	runs       string
	keep       bool
	progress   runner.Progress
	vocabulary Vocabulary
	patience   time.Duration
	purpose    string
	flags      []string
	cleanUp    string
	allow      func(ctx context.Context, name, shown string) error
	confirm    func(question string) error
	variable   func(name string) (string, error)
	secretFile func(beside string) func(name string) (string, error)
	underway   func(*runner.Underway) (done func())
}

func newSettings(options []Option) settings {
	s := settings{getenv: os.Getenv, runs: "runs", progress: silence{}, purpose: "a program that uses sparkchaos"}
	for _, choose := range options {
		choose(&s)
	}
	return s
}

func (s settings) say(line string) { s.progress.Say("%s", line) }

// Package sparkchaos tests whether Spark applications on Kubernetes survive the loss of nodes and pods: it launches an application on a
// real cluster, injects faults, records what happens and judges the record.
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
// Judge judges the directory of a stored run again; it needs no cluster. Packages fault, when and invariant have what a scenario may name,
// sparkchaostest a matcher for Gomega. A Vocabulary adds faults, anchors and invariants of one's own. The packages below pkg/ are what this
// one is put together from.
package sparkchaos

import (
	"context"
	"os"

	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kinds"
)

// Cluster is a cluster that runs are carried out on, one at a time.
type Cluster struct{ bed *testbed.Testbed }

// Main must be called before anything else by the main function, or by TestMain, of a program that makes embedded clusters: the machines
// of a cluster are processes of the same program. In such a process it does the machine's work and exits; in any other it returns at
// once.
func Main() {
	if code, ok := kinds.Main(os.Args); ok {
		os.Exit(code)
	}
}

// Start makes a cluster, or takes the running one of that name if it is as it is to be, and keeps other runs away from it until Close. What
// killed runs left on it is cleaned up.
func Start(ctx context.Context, source Source, options ...Option) (*Cluster, error) {
	c, err := Reserve(ctx, source, options...)
	if err != nil {
		return nil, err
	}
	if err := c.bed.Make(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Reserve is Start for a cluster that each run makes by itself, if it is not there, and removes.
func Reserve(ctx context.Context, source Source, options ...Option) (*Cluster, error) {
	c, err := Prepare(source, options...)
	if err != nil {
		return nil, err
	}
	if err := c.bed.Reserve(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Prepare puts together what runs on a cluster work with. It touches and keeps away nothing.
func Prepare(source Source, options ...Option) (*Cluster, error) {
	s := settings{testbed.Defaults()}
	for _, choose := range options {
		choose(&s)
	}
	bed, err := testbed.New(source.source, s.Settings)
	if err != nil {
		return nil, err
	}
	return &Cluster{bed}, nil
}

// Close removes the cluster if Start made it and it is not to be kept, and lets other runs have it.
func (c *Cluster) Close() error { return c.bed.Close() }

// CleanUp cleans up after all runs of this machine that were killed, on clusters of every kind, and after runs of any machine on the
// cluster if others use it, too. Faults of one's own are undone if the catalogue has the kinds by which they are.
func (c *Cluster) CleanUp(ctx context.Context) error { return c.bed.CleanUp(ctx) }

// CleanUpError is the error of Start, Reserve and CleanUp when something is left that killed runs did or made.
type CleanUpError = testbed.CleanUpError

// Provider returns the provider of the cluster's kind, and the name by which it opens the cluster.
func (c *Cluster) Provider() (cluster.Provider, string) { return c.bed.Provider() }

//go:build linux

// Package scenarios_test runs the shipped scenarios on embedded clusters, one spec each. A scenario passes when its invariants held; a
// control passes when it ended in the way that its file says, which proves that the harness can see.
package scenarios_test

import (
	"fmt"
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/suites/support"
)

func TestMain(m *testing.M) { support.Main(m) }

func TestScenarios(t *testing.T) { support.RunSuite(t, "scenarios", support.ClusterTests) }

// name is the cluster of this process, runs where its run directories are.
var name, runs string

var _ = BeforeSuite(func() {
	support.OwnState()
	name, runs = fmt.Sprintf("suite-%d", os.Getpid()), support.RunsDirectory()
	DeferCleanup(func() { support.Down(name, "embedded") })
})

var _ = DescribeTable("shipped scenarios", func(_ SpecContext, s *scenario.Scenario) {
	support.RunShipped(s, runs, clusterOf(s))
}, support.Entries(withoutChaosMesh))

// withoutChaosMesh leaves out the scenarios that have a suite of their own.
func withoutChaosMesh(s *scenario.Scenario) bool { return !support.ThroughChaosMesh(s) }

// clusterOf returns the name of the cluster that a scenario runs on: that of this process, or one of its own if it asks for another timing.
func clusterOf(s *scenario.Scenario) string {
	if s.Spec.Cluster.Timing.Name == scenario.TimingFast {
		return name
	}
	own := name + "-own"
	DeferCleanup(func() { support.Down(own, "embedded") })
	return own
}

//go:build linux

// Package support is what the suites share: how a suite is run, the program under test, and what is expected of every cluster after a
// run. Each folder beside it is one Ginkgo suite:
//
//	SPARKCHAOS_CLUSTER_TESTS=1 go tool ginkgo -v --procs=2 ./suites/scenarios
//
// Specs do not depend on each other, and each parallel process has a cluster and a state directory of its own.
package support

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"

	"github.com/sparkchaos/sparkchaos/internal/cli"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
)

// The environment variables of the suites.
const (
	// ClusterTests is set where tests may and must start clusters.
	ClusterTests = "SPARKCHAOS_CLUSTER_TESTS"
	// KindTests is set where tests may and must start clusters of kind.
	KindTests = "SPARKCHAOS_KIND_TESTS"
	// LabelFilter selects specs by their labels, in Ginkgo's language: "!tier:nightly". Empty: all are run.
	LabelFilter = "SPARKCHAOS_LABELS"
	// Runs is the directory in which the run directories of shipped scenarios are kept, for CI's artifacts.
	Runs = "SPARKCHAOS_RUNS"
	// asProgram makes a suite's program behave as sparkchaos.
	asProgram = "SPARKCHAOS_TEST_PROGRAM"
)

// SpecLimit is far longer than any spec takes; it only ends a spec that hangs.
const SpecLimit = 15 * time.Minute

// Main is the body of a suite's TestMain: the machines of an embedded cluster run the suite's program as their init, and tests that
// kill the harness run it as sparkchaos itself.
func Main(m *testing.M) {
	if code, ok := embedded.Main(os.Args); ok {
		os.Exit(code)
	}
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// RunSuite runs the specs of a suite that needs the variable set, and prints at the end where the time went and what failed.
// A spec that skips itself fails the suite: its evidence was asked for.
func RunSuite(t *testing.T, name, variable string) {
	if os.Getenv(variable) == "" {
		why := fmt.Sprintf("it runs Spark on a real cluster, which needs root: set %s=1, or call make test", variable)
		fmt.Printf("SKIPPED: all specs of the suite %s: %s\n", name, why) // Ginkgo's command shows nothing of a test that is skipped
		t.Skip(why)
	}
	RegisterFailHandler(Fail)
	suite, reporter := GinkgoConfiguration()
	if suite.LabelFilter == "" {
		suite.LabelFilter = os.Getenv(LabelFilter)
	}
	ReportAfterSuite("where the time went, and what failed", func(r Report) {
		fmt.Print(slowest(r), strings.Join(failed(r), "\n\n"))
		Expect(skippedThemselves(r)).To(BeEmpty())
	})
	RunSpecs(t, name, suite, reporter)
}

// OwnState gives a parallel process but the first a state directory of its own, beside the usual one: there sparkchaos finds what a
// process left that was killed. To be called in BeforeSuite.
func OwnState() {
	GinkgoHelper()
	process := GinkgoParallelProcess()
	if process == 1 {
		return
	}
	state, err := paths.State(os.Getenv)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.Setenv(paths.StateVariable, fmt.Sprintf("%s-tests-%d", state, process))).To(Succeed())
}

// RunsDirectory returns the directory for the run directories of this process.
func RunsDirectory() string {
	GinkgoHelper()
	kept := os.Getenv(Runs)
	if kept == "" {
		return GinkgoT().TempDir()
	}
	directory := filepath.Join(kept, fmt.Sprintf("process-%d", GinkgoParallelProcess()))
	Expect(os.MkdirAll(directory, 0o755)).To(Succeed())
	return directory
}

// slowest returns a table of the specs that took longest.
func slowest(r Report) string {
	const shown = 10
	specs := slices.DeleteFunc(slices.Clone(r.SpecReports), func(s types.SpecReport) bool { return s.RunTime == 0 })
	slices.SortStableFunc(specs, func(a, b types.SpecReport) int { return int(b.RunTime - a.RunTime) })
	var out strings.Builder
	slowest := table.New("Spec", "Process", "Took")
	for _, spec := range specs[:min(shown, len(specs))] {
		text := spec.FullText()
		if text == "" {
			text = spec.LeafNodeType.String()
		}
		slowest.Add(text, fmt.Sprint(spec.ParallelProcess), spec.RunTime.Round(time.Second).String())
	}
	_ = slowest.Render(&out) // writes into memory
	return fmt.Sprintf("\nSuite %s took %s; its slowest specs:\n%s", r.SuiteDescription, r.RunTime.Round(time.Second), out.String())
}

// failed describes in short each spec that failed, for the end of a log of which often nothing else is kept: the errors of the
// program's commands, and the end of the failure's message, where reports show what is bad.
func failed(r Report) []string {
	const shown = 1000
	var all []string
	for _, spec := range r.SpecReports.WithState(types.SpecStateFailureStates) {
		var lines []string
		for line := range strings.Lines(spec.CapturedGinkgoWriterOutput) {
			if strings.HasPrefix(line, "sparkchaos: ") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		message := spec.FailureMessage()
		if cut := len(message) - shown; cut > 0 {
			message = "… " + strings.ToValidUTF8(message[cut:], "")
		}
		all = append(all, strings.Join(slices.Concat([]string{spec.FullText()}, lines, []string{message}), "\n"))
	}
	return all
}

// skippedThemselves returns the specs that ended by Skip, with the reasons; the others that were skipped are left out by their labels.
func skippedThemselves(r Report) []string {
	var all []string
	for _, spec := range r.SpecReports.WithState(types.SpecStateSkipped) {
		if reason := spec.FailureMessage(); reason != "" {
			all = append(all, fmt.Sprintf("%s: %s", spec.FullText(), reason))
		}
	}
	return all
}

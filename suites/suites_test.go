//go:build linux

// Package suites_test runs the shipped scenarios against a real cluster, one spec each. A scenario passes when its
// invariants held; a control passes when it ended in the way that its file says, which proves that the harness can see.
package suites_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
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
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/scenarios"
)

// clusterTests is set where tests may and must start clusters.
const clusterTests = "SPARKCHAOS_CLUSTER_TESTS"

// labelFilter selects specs by their labels, in Ginkgo's language: "!tier:nightly". Empty: all are run.
const labelFilter = "SPARKCHAOS_LABELS"

// asProgram makes this test's program behave as sparkchaos.
const asProgram = "SPARKCHAOS_TEST_PROGRAM"

// specTimeout is far longer than any scenario takes; it only ends a suite that hangs.
const specTimeout = 15 * time.Minute

// suiteTimeout replaces Ginkgo's hour, which all scenarios exceed; "go test -timeout" ends a suite that hangs.
const suiteTimeout = 6 * time.Hour

func TestMain(m *testing.M) {
	// The machines of an embedded cluster run this program as their init.
	if code, ok := embedded.Main(os.Args); ok {
		os.Exit(code)
	}
	// Tests that kill the harness run this program as sparkchaos itself.
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

func TestScenarios(t *testing.T) {
	if os.Getenv(clusterTests) == "" {
		t.Skipf("runs Spark on a real cluster: needs root; set %s=1, or call make test", clusterTests)
	}
	RegisterFailHandler(Fail)
	suite, reporter := GinkgoConfiguration()
	suite.Timeout = suiteTimeout
	if suite.LabelFilter == "" {
		suite.LabelFilter = os.Getenv(labelFilter)
	}
	var failures []string
	ReportAfterSuite("what failed", func(r Report) { failures = failed(r) })
	RunSpecs(t, "scenarios", suite, reporter)
	for _, failure := range failures {
		t.Error(failure)
	}
}

// failed says shortly why each spec failed, for the end of a log of which often nothing else is kept: the errors of the program's
// commands, and the end of the failure's message, where reports tell what is bad.
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

// sparkchaos runs a command line of the program in this process and returns its exit code and output.
func sparkchaos(args ...string) (int, string) {
	var out bytes.Buffer
	fmt.Fprintln(GinkgoWriter, "sparkchaos", args)
	code := cli.Main(args, cli.Streams{In: bytes.NewReader(nil), Out: &out, Err: GinkgoWriter})
	fmt.Fprint(GinkgoWriter, out.String())
	return code, out.String()
}

// complaint runs a command as sparkchaos does, and returns what it says of its failure.
func complaint(args ...string) (int, string) {
	var errs bytes.Buffer
	code := cli.Main(args, cli.Streams{In: bytes.NewReader(nil), Out: GinkgoWriter, Err: &errs})
	fmt.Fprint(GinkgoWriter, errs.String())
	return code, errs.String()
}

// shipped are the scenarios that come with the program, controls last.
func shipped() []*scenario.Scenario {
	catalogue := scenario.Catalogue{Faults: faults.Entries(), Anchors: anchor.Entries(), Invariants: check.Entries()}
	var all []*scenario.Scenario
	for _, pattern := range []string{"*.yaml", "controls/*.yaml"} {
		names, err := fs.Glob(scenarios.Files(), pattern)
		if err != nil {
			panic(err) // the pattern is a constant
		}
		for _, name := range names {
			data, err := fs.ReadFile(scenarios.Files(), name)
			if err != nil {
				panic(err) // embedded in this program
			}
			s, err := scenario.Load(name, data, catalogue)
			if err != nil {
				panic(err) // tests of the scenarios find it first
			}
			all = append(all, s)
		}
	}
	return all
}

func labels(s *scenario.Scenario) Labels {
	var all Labels
	for key, value := range s.Metadata.Labels {
		all = append(all, key+":"+value)
	}
	if s.Spec.Control != nil {
		all = append(all, "control")
	}
	return all
}

var _ = Describe("shipped scenarios", Ordered, ContinueOnFailure, func() {
	var runs, name string

	BeforeAll(func() {
		name = fmt.Sprintf("suite-%d", os.Getpid())
		runs = os.Getenv("SPARKCHAOS_RUNS") // kept for whoever reads CI's artifacts
		if runs == "" {
			runs = GinkgoT().TempDir()
		}
		Expect(os.MkdirAll(runs, 0o755)).To(Succeed())
		DeferCleanup(func() {
			code, _ := sparkchaos("cluster", "down", "--name", name)
			Expect(code).To(Equal(0), "the cluster goes with everything")
		})
	})

	for _, s := range shipped() {
		if throughChaosMesh(s) {
			continue // where Chaos Mesh is
		}
		It(s.Metadata.Name, labels(s), func(ctx SpecContext) {
			runShipped(ctx, s, runs, name)
		}, SpecTimeout(specTimeout))
	}
})

// runShipped runs a shipped scenario on a cluster, which stays, and expects it to end as its file says. It returns the run directory
// and what the run ran on.
func runShipped(ctx context.Context, s *scenario.Scenario, runs, name string, flags ...string) (directory string, info report.RunInfo) {
	GinkgoHelper()
	arguments := append([]string{"run", s.Metadata.Name, "--seed", "1", "--cluster-name", name, "--keep-cluster", "--out", runs}, flags...)
	code, out := sparkchaos(arguments...)
	directory, err := filepath.EvalSymlinks(filepath.Join(runs, "latest"))
	Expect(err).NotTo(HaveOccurred())
	Expect(code).To(Equal(0), "%s\n%s", out, directory)

	verdict, info, err := report.Load(directory)
	Expect(err).NotTo(HaveOccurred())
	Expect(verdict.Scenario).To(Equal(s.Metadata.Name))
	Expect(verdict.Verdict).To(Equal(check.Pass), verdict.Reason)
	expectWhatTheFileSays(s, verdict)
	expectTheSameVerdictOffline(ctx, directory)
	return directory, info
}

func expectWhatTheFileSays(s *scenario.Scenario, verdict check.RunVerdict) {
	GinkgoHelper()
	if s.Spec.Control == nil {
		Expect(verdict.Control).To(BeNil())
		for _, fault := range verdict.Faults {
			Expect(fault.Landed).To(BeTrue(), "fault %s: %s", fault.Fault, fault.Reason)
			Expect(fault.Recovered).To(BeTrue(), "fault %s: %s", fault.Fault, fault.Reason)
		}
		return
	}
	Expect(verdict.Control).NotTo(BeNil())
	Expect(string(verdict.Control.Judged)).To(Equal(s.Spec.Control.EndsIn))
	for _, violated := range s.Spec.Control.Violated {
		Expect(verdict.Results).To(ContainElement(And(
			HaveField("Invariant", violated), HaveField("Verdict", check.Violation), HaveField("Evidence", Not(BeEmpty())))))
	}
}

// expectTheSameVerdictOffline judges the stored run again, without a cluster.
func expectTheSameVerdictOffline(_ context.Context, directory string) {
	GinkgoHelper()
	before, err := os.ReadFile(filepath.Join(directory, report.VerdictFile))
	Expect(err).NotTo(HaveOccurred())
	code, out := sparkchaos("check", directory, "--verify")
	Expect(code).To(Equal(0), out)
	after, err := os.ReadFile(filepath.Join(directory, report.VerdictFile))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(after)).To(Equal(string(before)))
	for _, kept := range []string{"plan.yaml", "scenario.yaml", "history.ndjson", "environment.json", report.JUnitFile, report.MarkdownFile} {
		Expect(filepath.Join(directory, kept)).To(BeARegularFile())
	}
}

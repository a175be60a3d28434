//go:build linux

package support

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/sparkchaos/sparkchaos"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/scenarios"
)

// ForWholeRun is the scenario whose run installs Chaos Mesh by itself.
const ForWholeRun = "executor-pod-kill-chaos-mesh"

// Shipped returns the scenarios that come with the program, controls last.
func Shipped() []*scenario.Scenario {
	catalogue := sparkchaos.Catalogue().Entries()
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

// Select returns the shipped scenarios of the names. It panics if one is missing: a suite must not shrink unnoticed.
func Select(names ...string) []*scenario.Scenario {
	var chosen []*scenario.Scenario
	for _, s := range Shipped() {
		if slices.Contains(names, s.Metadata.Name) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) != len(names) {
		panic("not all of these are shipped scenarios: " + strings.Join(names, ", "))
	}
	return chosen
}

// ThroughChaosMesh reports whether a scenario has a fault that goes through Chaos Mesh.
func ThroughChaosMesh(s *scenario.Scenario) bool {
	return s.Metadata.Labels["fault-by"] == "chaos-mesh"
}

// Entries returns an entry of a table for each shipped scenario that is to be kept; the table is called with a context and the scenario.
func Entries(keep func(*scenario.Scenario) bool) []TableEntry {
	var all []TableEntry
	for _, s := range Shipped() {
		if keep(s) {
			all = append(all, Entry(s.Metadata.Name, labelsOf(s), SpecTimeout(SpecLimit), s))
		}
	}
	return all
}

// labelsOf returns a scenario's labels as Ginkgo has them, "key:value", and "control" for a control.
func labelsOf(s *scenario.Scenario) Labels {
	var all Labels
	for key, value := range s.Metadata.Labels {
		all = append(all, key+":"+value)
	}
	if s.Spec.Control != nil {
		all = append(all, "control")
	}
	return all
}

// RunShipped runs a shipped scenario on a cluster, which stays, and expects it to end as its file says. It returns the run directory
// and what the run ran on.
func RunShipped(s *scenario.Scenario, runs, name string, flags ...string) (directory string, info report.RunInfo) {
	GinkgoHelper()
	directory, verdict, info := RunFile(s.Metadata.Name, runs, name, flags...)
	Expect(verdict.Scenario).To(Equal(s.Metadata.Name))
	expectWhatTheFileSays(s, verdict)
	expectTheSameVerdictOffline(directory)
	return directory, info
}

// RunFile runs a scenario, by its name or its file, on a cluster, which stays, and expects that it passes.
func RunFile(nameOrFile, runs, name string, flags ...string) (directory string, verdict check.RunVerdict, info report.RunInfo) {
	GinkgoHelper()
	arguments := append([]string{"run", nameOrFile, "--seed", "1", "--cluster-name", name, "--keep-cluster", "--out", runs}, flags...)
	code, out := Sparkchaos(arguments...)
	directory, err := filepath.EvalSymlinks(filepath.Join(runs, "latest"))
	Expect(err).NotTo(HaveOccurred(), out)
	AddReportEntry("run directory", directory)
	AddReportEntry("verdict", out, ReportEntryVisibilityNever) // the output has it
	Expect(code).To(Equal(0), "%s\n%s", out, directory)
	verdict, info, err = report.Load(directory)
	Expect(err).NotTo(HaveOccurred())
	Expect(verdict.Verdict).To(Equal(check.Pass), verdict.Reason)
	return directory, verdict, info
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
func expectTheSameVerdictOffline(directory string) {
	GinkgoHelper()
	before, err := os.ReadFile(filepath.Join(directory, report.VerdictFile))
	Expect(err).NotTo(HaveOccurred())
	code, out := Sparkchaos("check", directory, "--verify")
	Expect(code).To(Equal(0), out)
	after, err := os.ReadFile(filepath.Join(directory, report.VerdictFile))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(after)).To(Equal(string(before)))
	for _, kept := range []string{"plan.yaml", "scenario.yaml", "history.ndjson", "environment.json", report.JUnitFile, report.MarkdownFile} {
		Expect(filepath.Join(directory, kept)).To(BeARegularFile())
	}
}

package report

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/check"
)

// junitSuites is the root of junit.xml, as Jenkins, GitLab and GitHub's actions read it. There is no <skipped>:
// what could not be judged must not look green.
type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr,omitempty"` // seconds
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// junitCase is one invariant or fault. It has no time: how long a recovery took is not how long a test took.
type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Output  *junitOutput  `xml:"system-out"`
}

type junitOutput struct {
	Text string `xml:",cdata"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

// junitFormat is a report for CI systems.
func junitFormat() definition {
	return definition{format: JUnit, file: JUnitFile, render: renderJUnit}
}

func renderJUnit(verdict check.RunVerdict, info RunInfo, _ Style) ([]byte, error) {
	scenario := clean(verdict.Scenario)
	suite := junitSuite{Name: scenario, Properties: junitProperties(verdict, info)}
	if d := info.Took; d > 0 {
		suite.Time = fmt.Sprintf("%.3f", d.Seconds())
	}
	for _, e := range judge(verdict) {
		suite.Cases = append(suite.Cases, junitCaseOf(scenario, e, info))
		switch e.outcome {
		case failing:
			suite.Failures++
		case erring:
			suite.Errors++
		}
	}
	suite.Tests = len(suite.Cases)
	content, err := xml.MarshalIndent(junitSuites{
		Name: "sparkchaos", Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Suite: suite,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode JUnit: %w", err)
	}
	return append([]byte(xml.Header), append(content, '\n')...), nil
}

func junitCaseOf(scenario string, e entry, info RunInfo) junitCase {
	c := junitCase{Class: scenario + "." + e.group, Name: e.name}
	text := strings.Join(junitLines(e), "\n")
	problem := &junitProblem{Message: e.reason, Type: e.verdict, Text: text + "\nRun it again: " + info.rerun()}
	switch e.outcome {
	case failing:
		c.Failure = problem
	case erring:
		c.Error = problem
	default:
		c.Output = &junitOutput{Text: text}
	}
	return c
}

func junitLines(e entry) []string {
	lines := []string{e.verdict + ": " + e.reason}
	if e.reason == "" {
		lines[0] = e.verdict
	}
	if e.result == nil {
		return lines
	}
	if measured := clean(e.result.Measured); measured != "" {
		line := "measured " + measured
		if bound := clean(e.result.Bound); bound != "" {
			line += ", bound " + bound
		}
		lines = append(lines, line)
	}
	return append(lines, story(*e.result)...)
}

func junitProperties(verdict check.RunVerdict, info RunInfo) []junitProperty {
	properties := []junitProperty{
		{"seed", fmt.Sprint(verdict.Seed)},
		{"runID", clean(verdict.RunID)},
		{"verdict", string(verdict.Verdict)},
		{"reason", clean(verdict.Reason)},
		{"historySHA256", clean(verdict.HistorySHA256)},
		{"cluster", clean(info.Environment.ClusterKind)},
	}
	for _, component := range versions(info) {
		properties = append(properties, junitProperty{"version." + component.name, component.version})
	}
	return properties
}

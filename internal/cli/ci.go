package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/internal/atomicfile"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// stepSummary is the environment variable in which GitHub Actions names the file of a step's summary.
const stepSummary = "GITHUB_STEP_SUMMARY"

// ciReports are reports of several runs together, for CI systems.
type ciReports struct{ junit, ctrf string }

func (c *ciReports) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.junit, "junit", "", "write one JUnit report of all runs to this file")
	flags.StringVar(&c.ctrf, "ctrf", "", "write one CTRF report of all runs to this file")
}

// write writes the reports that were asked for and, in a step of GitHub Actions, its summary and annotations.
func (c ciReports) write(out io.Writer, getenv func(string) string, runs []report.Run) error {
	return errors.Join(
		writeRuns(c.junit, runs, report.RenderJUnit),
		writeRuns(c.ctrf, runs, report.RenderCTRF),
		tellGitHub(out, getenv(stepSummary), runs),
	)
}

func writeRuns(file string, runs []report.Run, render func([]report.Run) ([]byte, error)) error {
	if file == "" {
		return nil
	}
	content, err := render(runs)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(file, content, 0o644); err != nil {
		return fmt.Errorf("write the report of all runs: %w", err)
	}
	return nil
}

// tellGitHub appends to the summary of a step what it has room for, and prints annotations.
func tellGitHub(out io.Writer, file string, runs []report.Run) error {
	if file == "" {
		return nil
	}
	for _, line := range report.Annotations(runs) {
		fmt.Fprintln(out, line)
	}
	summary, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("write the summary of the step (%s): %w", stepSummary, err)
	}
	err = appendSummary(summary, runs)
	if err := errors.Join(err, summary.Close()); err != nil {
		return fmt.Errorf("write the summary of the step (%s): %w", stepSummary, err)
	}
	return nil
}

func appendSummary(summary *os.File, runs []report.Run) error {
	info, err := summary.Stat()
	if err != nil {
		return err
	}
	content, err := report.RenderSummary(runs, max(0, report.MaxSummary-int(info.Size())))
	if err != nil {
		return err
	}
	_, err = summary.Write(content)
	return err
}

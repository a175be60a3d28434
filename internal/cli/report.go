package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

func newReportCommand(getenv func(string) string) *cobra.Command {
	var formats, out, endpoint string
	var open bool
	command := &cobra.Command{
		Use:   "report RUNDIR",
		Short: "Show the verdict of a stored run: as a table, JUnit, JSON, Markdown or HTML",
		Long: `Show the stored verdict of a run directory. The run is not judged again: "sparkchaos check" does that. No cluster is needed.
The exit code is 0 if the report could be made, whatever the verdict is.

Several formats are printed one after the other. With --out, all formats but the table are written to files in that
directory instead: junit.xml, verdict.json, report.md, report.html …

The formats chrome, perfetto and otlp are traces of the run: for chrome://tracing, for ui.perfetto.dev, and as OTLP/JSON.
With --otlp-endpoint the trace is also sent by OTLP/HTTP; sent again, it has the same trace and span IDs.

The format openmetrics is what was measured during the run (metrics of Spark and of the API server, the load of the machine), with times.`,
		Example: `  sparkchaos report runs/latest
  sparkchaos report runs/latest --open
  sparkchaos report runs/latest --format junit > junit.xml
  sparkchaos report runs/latest --format table,junit,md --out build/reports
  sparkchaos report runs/latest --format perfetto > run.pftrace
  sparkchaos report runs/latest --format openmetrics > metrics.txt
  sparkchaos report runs/latest --otlp-endpoint http://localhost:4318`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			chosen, err := report.ParseFormats(formats)
			if err != nil {
				return usagef("--format: %w", err)
			}
			verdict, info, err := report.Load(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return withCode(ExitUsage, err)
			}
			if err != nil {
				return err
			}
			if err := sendTrace(command, endpoint, verdict, info); err != nil {
				return err
			}
			if open {
				return openReport(command, args[0], verdict, info, startBrowser(getenv))
			}
			if out != "" {
				kept := func(f report.Format) bool { _, is := f.File(); return is }
				printed := slices.DeleteFunc(slices.Clone(chosen), kept)
				files := slices.DeleteFunc(chosen, func(f report.Format) bool { return !kept(f) })
				if err := report.WriteFiles(out, verdict, info, files...); err != nil {
					return err
				}
				chosen = printed
			}
			return printReports(command, getenv, chosen, verdict, info)
		},
	}
	command.Flags().StringVar(&formats, "format", string(report.Table), "one or more of "+formatNames()+", separated by commas")
	command.Flags().BoolVar(&open, "open", false, "write report.html into the run directory and open it in a browser")
	command.Flags().StringVar(&out, "out", "", "existing directory to write all formats but the table to")
	command.Flags().StringVar(&endpoint, "otlp-endpoint", "", "send a trace of the run to this OTLP/HTTP endpoint")
	return command
}

// formatNames lists the formats for the help text.
func formatNames() string {
	var names []string
	for _, format := range report.Formats() {
		names = append(names, string(format))
	}
	return strings.Join(names, ", ")
}

func printReports(command *cobra.Command, getenv func(string) string, formats []report.Format, verdict check.RunVerdict,
	info report.RunInfo) error {
	out := command.OutOrStdout()
	style := report.StyleFor(out, getenv)
	for _, format := range formats {
		content, err := report.Render(format, verdict, info, style)
		if err != nil {
			return err
		}
		if _, err := out.Write(content); err != nil {
			return fmt.Errorf("print the %s report: %w", format, err)
		}
	}
	return nil
}

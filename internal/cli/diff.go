package cli

import (
	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/report"
)

func newDiffCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "diff RUNDIR RUNDIR",
		Short: "Show how two stored runs differ: verdicts, phases, counts, settings, versions",
		Long: `Compare two stored runs and show every difference: verdicts, what each invariant measured, faults, phases of recovery, what
the faults cost, settings, versions and machines. No cluster is needed. The exit code is 0 if the runs could be compared,
whether or not they differ.`,
		Example: `  sparkchaos diff runs/20260102T030405-driver-node-power-off-42 runs/latest
  sparkchaos diff runs/before runs/latest -o json | jq '.differences[] | select(.part == "phases")'`,
		Args: cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return usagef("--output: %q is unknown; want text or json", output)
			}
			var runs []report.Run
			for _, directory := range args {
				verdict, info, err := loadRun(directory)
				if err != nil {
					return err
				}
				runs = append(runs, report.Run{Verdict: verdict, Info: info})
			}
			comparison, err := report.Compare(runs[0], runs[1])
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(command.OutOrStdout(), comparison)
			}
			_, err = command.OutOrStdout().Write(comparison.Text())
			return err
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return command
}

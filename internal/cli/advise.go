package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
)

// adviseFlags are the flags of `advise`.
type adviseFlags struct {
	runFlags
	output   string
	prove    int
	scenario string
}

// newAdviseCommand returns `sparkchaos advise`.
func newAdviseCommand(getenv func(string) string) *cobra.Command {
	return newAdviseCommandOn(newClusterChoice(), getenv)
}

// newAdviseCommandOn returns the command with the kinds of clusters of a choice.
func newAdviseCommandOn(chosen *clusterChoice, getenv func(string) string) *cobra.Command {
	flags := adviseFlags{runFlags: runFlags{cluster: chosen}}
	command := &cobra.Command{
		Use:   "advise RUNDIR",
		Short: "Explain why the recovery took so long, and list settings that would make it shorter",
		Long: `Explain each phase of the recovery from each fault by the setting that governs it, and list changes of settings, the most
effective first, with the cost of each. The predictions are computed from the history; no cluster is needed.

With --prove N, test a prediction: run the run's scenario on a cluster without and with change number N, alternately and
--repeat times each, and print median and range of both sides, and the measured difference beside the predicted one. It is
proven if every run with the change was shorter than every run without it, by more than chance may give. Runs that are
inconclusive or end in an error do not count. The exit code is then that of the worst run, as with "run", and inconclusive
if the difference is.`,
		Example: `  sparkchaos advise runs/latest
  sparkchaos advise runs/latest --prove 1 --repeat 3`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if flags.output != "text" && flags.output != "json" {
				return usagef("--output: %q is unknown; want text or json", flags.output)
			}
			verdict, info, err := loadRun(args[0])
			if err != nil {
				return err
			}
			advice, known, err := report.Advice(info)
			if err != nil {
				return err
			}
			if !known {
				return usagef("%s has no %s that this release reads: there is nothing to explain", args[0], report.HistoryFile)
			}
			if command.Flags().Changed("prove") {
				return prove(command, getenv, flags, advice, verdict, info)
			}
			return printAdvice(command.OutOrStdout(), getenv, flags.output, advice, verdict, info)
		},
	}
	f := command.Flags()
	f.StringVarP(&flags.output, "output", "o", "text", "text or json")
	f.IntVar(&flags.prove, "prove", 0, "test the prediction for the change with this number by runs on a cluster")
	f.IntVar(&flags.repeat, "repeat", 3, "with --prove: number of runs with the change, and of runs without it")
	f.StringVar(&flags.scenario, "scenario", "",
		"with --prove: the file that the run's scenario came from, if it uses files beside it (default: the copy in RUNDIR)")
	f.StringVar(&flags.cluster.name, "cluster-name", defaultCluster,
		"with --prove: name of the cluster; if it is already running it is reused and left running")
	f.StringVar(&flags.out, "out", "runs", "with --prove: directory in which the directories of the runs are created")
	flags.cluster.addKind(f, "with --prove: cluster type")
	addAllowances(&flags.allowed, f)
	addWait(f, &flags.wait)
	addPlain(f, &flags.plain)
	flags.cluster.addFlags(f, cluster.ToReach, cluster.ToRun)
	return command
}

func printAdvice(out io.Writer, getenv func(string) string, output string, advice advise.Report, verdict check.RunVerdict,
	info report.RunInfo) error {
	if output == "json" {
		return printJSON(out, advice)
	}
	if _, err := out.Write(report.AdviceText(advice, verdict, info, report.StyleFor(out, getenv))); err != nil {
		return fmt.Errorf("print the advice: %w", err)
	}
	return nil
}

package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
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
	flags := adviseFlags{runFlags: runFlags{cluster: newClusterChoice()}}
	command := &cobra.Command{
		Use:   "advise RUNDIR",
		Short: "Explain why the recovery took so long, and list settings that would make it shorter",
		Long: `Explain each phase of the recovery from each fault by the setting that governs it, and list changes of settings, the most
effective first, with the cost of each. The predictions are computed from the history; no cluster is needed.

With --prove N, test a prediction: run the run's scenario on a cluster with and without change number N, alternately and
--repeat times each, and print the measured difference beside the predicted one. The exit code is then that of the worst
run, as with "run".`,
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

// prove runs the scenario of a run with and without a change in turn, and prints what the change gained.
func prove(
	command *cobra.Command, getenv func(string) string, flags adviseFlags, advice advise.Report, verdict check.RunVerdict, info report.RunInfo,
) error {
	if flags.prove < 1 || flags.prove > len(advice.Advices) {
		return usagef("--prove %d: there are %s; without --prove they are listed", flags.prove, wording.Count(len(advice.Advices), "change"))
	}
	if flags.repeat < 1 {
		return usagef("--repeat %d: expected 1 or more", flags.repeat)
	}
	chosen := advice.Advices[flags.prove-1]
	if !chosen.Change.InScenario() {
		return usagef("--prove %d: %s: only an operator of the cluster can do it, no scenario", flags.prove, chosen.Change)
	}
	if err := flags.check(); err != nil {
		return err
	}
	if err := checkOut(flags.out); err != nil {
		return err
	}
	flags.seed = verdict.Seed
	planned, err := planBoth(flags, chosen.Change, info.Directory)
	if err != nil {
		return err
	}
	flags.repeat = 1 // each of both sides is planned as often as it was asked for
	return carryOutAll(command, getenv, planned, flags.runFlags, func(runs []report.Run) error {
		return printProof(command.OutOrStdout(), chosen, runs)
	})
}

// planBoth plans the runs without and with a change in turn.
func planBoth(flags adviseFlags, change advise.Change, directory string) ([]plannedRun, error) {
	file := cmp.Or(flags.scenario, filepath.Join(directory, "scenario.yaml"))
	beside := "" // the copy in the run directory has no files beside it
	if flags.scenario != "" {
		beside = filepath.Dir(file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, withCode(ExitUsage, fmt.Errorf("read the run's scenario: %w; name its file with --scenario", err))
	}
	s, err := scenario.Load(file, text, catalogue(), flags.allowed.Options()...)
	if err != nil {
		return nil, withCode(ExitUsage, err)
	}
	change.Apply(s)
	changed, err := scenario.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write the scenario with the change: %w", err)
	}
	var pair []plannedRun
	for _, text := range [][]byte{text, changed} {
		one, err := planText(file, beside, text, flags.runFlags)
		if err != nil {
			return nil, err
		}
		pair = append(pair, one)
	}
	return slices.Repeat(pair, flags.repeat), nil
}

// proof is what the runs without and with a change showed of a delay.
type proof struct {
	without, with []time.Duration
}

// printProof prints what each of the runs, without and with the change in turn, measured, and what that says about the prediction.
func printProof(out io.Writer, chosen advise.Advice, runs []report.Run) error {
	var found proof
	rows := table.New("Run", "Change", "Verdict", chosen.Delay.Name)
	for i, run := range runs {
		took, open, err := measured(run, chosen.Delay)
		if err != nil {
			return err
		}
		side, label := &found.without, "without"
		if i%2 == 1 {
			side, label = &found.with, "with"
		}
		value := "not seen"
		if took > 0 {
			*side = append(*side, took)
			value = wording.Duration(took)
		}
		if open {
			value = "more than " + value
		}
		rows.Add(fmt.Sprint(i+1), label, string(run.Verdict.Verdict), value)
	}
	if err := rows.Render(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s\n%s\n", chosen.Change, found.sentence(chosen))
	return err
}

// measured returns how long the same delay took in another run, and whether it had not ended; 0 if that run did not have it.
func measured(run report.Run, delay advise.Delay) (time.Duration, bool, error) {
	if run.Info.Directory == "" {
		return 0, false, nil // it could not be started
	}
	advice, known, err := report.Advice(run.Info)
	if err != nil || !known {
		return 0, false, err
	}
	for _, d := range advice.Delays {
		if d.Name == delay.Name && d.Fault == delay.Fault {
			return d.Took, d.Open, nil
		}
	}
	return 0, false, nil
}

func (p proof) sentence(chosen advise.Advice) string {
	if len(p.without) == 0 || len(p.with) == 0 {
		return "Not proven: the delay was not seen both with and without the change."
	}
	before, after := median(p.without), median(p.with)
	gained := before - after
	off := 100 * (gained - chosen.Gain).Seconds() / chosen.Gain.Seconds()
	return fmt.Sprintf("Measured: %s takes %s without the change and %s with it (medians of %d and %d runs): %s less. Predicted: %s "+
		"less, which is off by %+.0f %%.",
		chosen.Delay.Name, wording.Duration(before), wording.Duration(after), len(p.without), len(p.with), wording.Duration(gained),
		wording.Duration(chosen.Gain), off)
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

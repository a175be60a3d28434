package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/report/advise"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

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
		return printProof(command.OutOrStdout(), chosen, len(planned), runs)
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

// printProof prints what each of the runs, without and with the change in turn, measured, and what that says about the prediction. The
// error says that it proves nothing.
func printProof(out io.Writer, chosen advise.Advice, planned int, runs []report.Run) error {
	proof := advise.Proof{Advice: chosen}
	rows := table.New("Run", "Change", "Verdict", chosen.Delay.Name)
	for i, run := range runs {
		m := measured(run, chosen.Delay)
		side, label := &proof.Without, "without"
		if i%2 == 1 {
			side, label = &proof.With, "with"
		}
		*side = append(*side, m)
		rows.Add(fmt.Sprint(i+1), label, string(run.Verdict.Verdict), m.String())
	}
	if err := rows.Render(out); err != nil {
		return err
	}
	text := proof.Text()
	if len(runs) < planned {
		text += fmt.Sprintf("\nOnly %d of %d runs were made.", len(runs), planned)
	}
	if _, err := fmt.Fprintf(out, "%s\n%s\n", chosen.Change, text); err != nil {
		return err
	}
	if proof.Outcome() == advise.Undecided {
		return withCode(ExitInconclusive, errors.New("the difference that the change makes is inconclusive"))
	}
	return nil
}

// measured returns how long the same delay took in another run, or why that run does not count.
func measured(run report.Run, delay advise.Delay) advise.Measurement {
	v := run.Verdict
	if run.Info.Directory == "" {
		return advise.Measurement{Not: "it could not be started: " + v.Reason}
	}
	found, known, err := report.Advice(run.Info)
	if err != nil || !known {
		return advise.Measurement{Not: fmt.Sprintf("its history cannot be read: %v", cmp.Or(err, fs.ErrNotExist))}
	}
	var m advise.Measurement
	i := slices.IndexFunc(found.Delays, func(d advise.Delay) bool { return d.Name == delay.Name && d.Fault == delay.Fault })
	if i >= 0 {
		m.Took, m.Open = found.Delays[i].Took, found.Delays[i].Open
	}
	switch {
	case v.Verdict == check.Inconclusive || v.Verdict == check.Error:
		m.Not = string(v.Verdict) + ", " + v.Reason
	case m.Took <= 0:
		m.Not = "it did not have this delay"
	}
	return m
}

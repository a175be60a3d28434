package testbed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// Run carries out a trial, of which it decides what is left open, as Carry does.
func (t *Testbed) Run(ctx context.Context, trial Trial) (runner.Finished, check.RunVerdict, report.RunInfo, error) {
	with, run, err := t.planned(trial)
	if err != nil {
		return runner.Finished{}, check.RunVerdict{}, report.RunInfo{}, err
	}
	return with.Carry(ctx, run)
}

// planned decides what a trial leaves open, and returns the testbed with the trial's own words.
func (t *Testbed) planned(trial Trial) (*Testbed, Planned, error) {
	words := t.settings.Words.having(trial.own)
	if words.Err != nil {
		return nil, Planned{}, words.Err
	}
	with := *t
	with.base.Own = words.Own
	run, err := with.decide(trial)
	return &with, run, err
}

// Carry carries out a run, judges what was recorded, and writes the reports. What cannot be judged or written is an error, which comes with
// what is known of the run.
func (t *Testbed) Carry(ctx context.Context, run Planned) (runner.Finished, check.RunVerdict, report.RunInfo, error) {
	options := t.base
	options.Plan, options.Scenario, options.Underway = run.Plan, run.Scenario, &runner.Underway{}
	options.Repetition = run.Repetition
	options.Artifact = assembly.NewArtifacts(run.Beside, t.env.Cache).Given(run.Given).Find
	options.SecretFile = t.settings.Allowances.secretFile(run.Beside)
	done := func() {}
	if t.settings.Underway != nil {
		done = t.settings.Underway(options.Underway)
	}
	finished, err := runner.Run(ctx, options)
	done()
	if err != nil {
		return finished, check.RunVerdict{}, report.RunInfo{}, err
	}
	return judged(ctx, finished, options.Own)
}

// judged judges a run that has ended and writes its reports, those of an interrupted one too.
func judged(ctx context.Context, finished runner.Finished, own runner.Own) (runner.Finished, check.RunVerdict, report.RunInfo, error) {
	directory := string(finished.Directory)
	verdict, err := judge(context.WithoutCancel(ctx), directory, own)
	if err != nil {
		return finished, verdict, report.RunInfo{}, err
	}
	info, err := writeReports(directory, verdict)
	return finished, verdict, info, err
}

// writeReports writes the verdict into the run directory, in all formats that are files.
func writeReports(directory string, verdict check.RunVerdict) (report.RunInfo, error) {
	info, err := report.LoadInfo(directory)
	if err != nil { // the verdict itself needs nothing of it
		return report.RunInfo{}, errors.Join(report.WriteFiles(directory, verdict, info, report.JSON), err)
	}
	return info, report.WriteFiles(directory, verdict, info, report.Kept()...)
}

// Judge judges the record in a run directory, and returns what else is known of the run.
func Judge(ctx context.Context, directory string, words Words) (check.RunVerdict, report.RunInfo, error) {
	info := report.RunInfo{Directory: directory}
	if words.Err != nil {
		return check.RunVerdict{}, info, words.Err
	}
	verdict, err := judge(ctx, directory, words.Own)
	if _, loaded, unknown := report.Load(directory); unknown == nil { // else nothing but the history is there that could be read
		info = loaded
	}
	return verdict, info, err
}

func judge(ctx context.Context, directory string, own runner.Own) (check.RunVerdict, error) {
	file, err := regular.Open(runner.Directory(directory).History()) // a pipe, say, would be waited for for ever
	if err != nil {
		return check.RunVerdict{}, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	return check.Judge(ctx, history.NewReader(file), own.Invariants...)
}

// Table shows a verdict, and how its run went, to a person.
func Table(verdict check.RunVerdict, info report.RunInfo, directory string, trouble, left error) string {
	var out strings.Builder
	table, err := report.Render(report.Table, verdict, info, report.Style{})
	if err != nil {
		table = []byte(err.Error() + "\n")
	}
	out.Write(table)
	if trouble != nil {
		fmt.Fprintf(&out, "trouble: %v\n", trouble)
	}
	if left != nil {
		fmt.Fprintf(&out, "left behind: %v\n", left)
	}
	fmt.Fprintf(&out, "run directory: %s\n", directory)
	return out.String()
}

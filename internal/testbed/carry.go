package testbed

import (
	"context"
	"errors"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// With returns the testbed for scenarios that may name something else beside the shipped catalogue.
func (t *Testbed) With(own runner.Own) *Testbed {
	with := *t
	with.base.Own = own
	return &with
}

// Carry carries out a run, judges what was recorded, and writes the reports. What cannot be judged or written is an error, which comes with
// what is known of the run.
func (t *Testbed) Carry(ctx context.Context, run Run) (runner.Finished, check.RunVerdict, report.RunInfo, error) {
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
	directory := string(finished.Directory)
	verdict, err := Judge(context.WithoutCancel(ctx), directory, options.Own) // an interrupted run is judged and reported, too
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

// Judge judges the record in a run directory. The same record gives the same verdict.
func Judge(ctx context.Context, directory string, own runner.Own) (check.RunVerdict, error) {
	file, err := regular.Open(runner.Directory(directory).History()) // a pipe, say, would be waited for for ever
	if err != nil {
		return check.RunVerdict{}, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	return check.Judge(ctx, history.NewReader(file), own.Invariants...)
}

package sparkchaos

import (
	"context"

	"github.com/sparkchaos/sparkchaos/internal/testbed"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
	"github.com/sparkchaos/sparkchaos/when"
)

// Trial is a scenario with what is to be different about it. It is a value: each method returns another one.
type Trial struct{ trial testbed.Trial }

// Scenario is a shipped scenario by its name, such as driver-node-power-off.
func Scenario(name string) Trial { return Trial{testbed.Trial{Argument: name}} }

// File is a scenario in a file.
func File(path string) Trial { return Trial{testbed.Trial{Argument: path}} }

// NewScenario is a scenario that has nothing yet but its name, a DNS label: what Application, Inject, Expect and Change make of it.
func NewScenario(name, description string) Trial {
	return Trial{testbed.Trial{Name: name, Description: description}}
}

// Seed decides every random choice; without it one is picked, which the plan and every report name.
func (t Trial) Seed(seed uint64) Trial {
	t.trial.Seed = seed
	return t
}

// Application has another application launched: a jar and the class in it, with its arguments. Pods fetch a jar of this machine from the
// staging server, which the scenario gets if it has none; one that begins with local:// is in the image.
func (t Trial) Application(jar, mainClass string, args ...string) Trial {
	t.trial = t.trial.Application(jar, mainClass, args)
	return t
}

// Inject has one more fault injected: one of package fault, or one's own, when an anchor of package when is reached. name is that of the
// fault in reports; a fault of the scenario with the same name is replaced.
func (t Trial) Inject(name string, fault scenario.Choice, at when.Moment, options ...FaultOption) Trial {
	injected := scenario.Fault{Name: name, Inject: fault, When: at.Moment}
	for _, change := range options {
		change(&injected)
	}
	t.trial = t.trial.Inject(injected)
	return t
}

// FaultOption changes a fault of a scenario.
type FaultOption func(*scenario.Fault)

// RecoverWhen has a fault undone when an anchor is reached; without it when the application has completed.
func RecoverWhen(at when.Moment) FaultOption {
	return func(f *scenario.Fault) { f.Recover = &scenario.Recover{When: at.Moment} }
}

// By chooses the means of a fault: scenario.ByBuiltin, scenario.ByChaosMesh or scenario.ByCloud.
func By(means string) FaultOption { return func(f *scenario.Fault) { f.By = means } }

// Expect has more invariants judged: those of package invariant, or one's own, whose check.Definition makes one. What is judged against a
// run without faults gets one.
func (t Trial) Expect(invariants ...check.Expectation) Trial {
	for _, invariant := range invariants {
		t.trial = t.trial.Expect(invariant)
	}
	return t
}

// Change has anything else of the scenario changed.
func (t Trial) Change(change func(*scenario.Scenario)) Trial {
	t.trial = t.trial.Change(change)
	return t
}

// Run carries out a scenario and judges what was recorded. It returns an error if there is nothing to judge; all other trouble is part of
// the verdict. Faults are undone in any case.
func (c *Cluster) Run(ctx context.Context, t Trial) (Verdict, error) {
	return verdict(c.bed.Run(ctx, t.trial))
}

// Planned is a run of which everything is decided: its Plan; the Scenario as it was written, and the directory Beside its file; the paths
// of other files that are Given; and which Repetition of the plan it is.
type Planned testbed.Planned

// Carry is Run for what is planned already. What cannot be judged or written is an error, which comes with what is known of the run.
func (c *Cluster) Carry(ctx context.Context, p Planned) (Verdict, error) {
	return verdict(c.bed.Carry(ctx, testbed.Planned(p)))
}

func verdict(finished runner.Finished, of check.RunVerdict, info report.RunInfo, err error) (Verdict, error) {
	v := Verdict{RunVerdict: of, Directory: string(finished.Directory), Info: info}
	v.Trouble, v.LeftBehind = finished.Err, finished.LeftBehind
	return v, err
}

// Verdict is what a run came to.
type Verdict struct {
	check.RunVerdict
	Directory string // of the run
	Info      report.RunInfo
	// Trouble is what kept the run from being carried out as planned.
	Trouble error
	// LeftBehind is what could not be undone or removed.
	LeftBehind error
}

// Passed reports whether all that was expected held in a run that was carried out as planned and left nothing behind.
func (v Verdict) Passed() bool {
	return v.RunVerdict.Verdict == check.Pass && v.Trouble == nil && v.LeftBehind == nil
}

// Table shows the verdict to a person: a table, the evidence of what did not hold, and the line that runs it again.
func (v Verdict) Table() string {
	return testbed.Table(v.RunVerdict, v.Info, v.Directory, v.Trouble, v.LeftBehind)
}

// Judge judges the record in a run directory again. The same record gives the same verdict. Invariants of one's own are those of the
// catalogue.
func Judge(ctx context.Context, directory string, catalogue Vocabulary) (Verdict, error) {
	verdict, info, err := testbed.Judge(ctx, directory, catalogue.words)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{RunVerdict: verdict, Directory: directory, Info: info}, nil
}

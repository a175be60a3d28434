package sparkchaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/internal/regular"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Trial is a scenario with what is to be different about it. It is a value: each method returns another one.
type Trial struct {
	argument string // a file, or the name of a shipped scenario
	seed     uint64
	changes  []func(*scenario.Scenario, *Planned) error
	own      []check.Definition
}

// Scenario is a shipped scenario by its name, such as driver-node-power-off.
func Scenario(name string) Trial { return Trial{argument: name} }

// File is a scenario in a file.
func File(path string) Trial { return Trial{argument: path} }

// Seed decides every random choice; without it one is picked, which the plan and every report name.
func (t Trial) Seed(seed uint64) Trial {
	t.seed = seed
	return t
}

func (t Trial) change(change func(*scenario.Scenario, *Planned) error) Trial {
	t.changes = append(t.changes[:len(t.changes):len(t.changes)], change)
	return t
}

// Application has another application launched: a jar of this machine and the class in it, with its arguments. Pods fetch the jar from the
// staging server, which the scenario gets if it has none.
func (t Trial) Application(jar, mainClass string, args ...string) Trial {
	return t.change(func(s *scenario.Scenario, p *Planned) error {
		path, err := filepath.Abs(jar)
		if err != nil {
			return fmt.Errorf("application %s: %w", jar, err)
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("application: %w", err)
		}
		w := &s.Spec.Workload
		w.Application.Jar, w.Application.MainClass, w.Application.Args = filepath.Base(path), mainClass, args
		w.Application.Main, w.Application.PyFiles = "", nil
		if w.StagingServer.Storage == "" || w.StagingServer.Storage == "none" {
			w.StagingServer.Storage = "durable"
		}
		p.Given = map[string]string{filepath.Base(path): path}
		return nil
	})
}

// Expect has more invariants judged: those of package invariant, or one's own, whose check.Definition makes one.
func (t Trial) Expect(invariants ...check.Expectation) Trial {
	for _, invariant := range invariants {
		if invariant.Definition != nil {
			t.own = append(t.own[:len(t.own):len(t.own)], *invariant.Definition)
		}
	}
	return t.change(func(s *scenario.Scenario, _ *Planned) error {
		for _, invariant := range invariants {
			s.Spec.Expect = expecting(s.Spec.Expect, scenario.Expectation{Name: invariant.Name, Args: invariant.Args})
		}
		return nil
	})
}

// expecting returns the expectations with one more, which replaces one of the same invariant.
func expecting(all []scenario.Expectation, one scenario.Expectation) []scenario.Expectation {
	for i := range all {
		if all[i].Name == one.Name {
			all[i] = one
			return all
		}
	}
	return append(all, one)
}

// Change has anything else of the scenario changed.
func (t Trial) Change(change func(*scenario.Scenario)) Trial {
	return t.change(func(s *scenario.Scenario, _ *Planned) error {
		change(s)
		return nil
	})
}

// Planned is a run of which everything is decided.
type Planned struct {
	Plan     *plan.Plan
	Scenario []byte            // as it was written; nil if only the plan is known
	Beside   string            // directory of the scenario's file; empty if it was shipped
	Given    map[string]string // paths of files that the scenario names, beside those in its directory
}

// plan decides everything that a trial leaves open, for the cluster.
func (c *Cluster) plan(t Trial) (Planned, error) {
	text, shipped, err := assembly.ReadScenario(t.argument)
	if err != nil {
		return Planned{}, err
	}
	entries := c.base.Own.Catalogue()
	s, err := scenario.Load(t.argument, text, entries)
	if err != nil {
		return Planned{}, err
	}
	if c.source.workers > 0 {
		s.Spec.Cluster.Workers = c.source.workers
		s.Spec.Cluster.Timing = scenario.Timing{Name: c.source.timing.Name}
	}
	p := Planned{Beside: assembly.BesideOf(t.argument, shipped)}
	for _, change := range t.changes {
		if err := change(s, &p); err != nil {
			return Planned{}, fmt.Errorf("scenario %s: %w", t.argument, err)
		}
	}
	if p.Scenario, err = scenario.Marshal(s); err != nil {
		return Planned{}, err
	}
	can, err := c.source.kind.Can()
	if err != nil {
		return Planned{}, err
	}
	if t.seed == 0 {
		t.seed = uint64(rand.Uint32()) + 1
	}
	p.Plan, err = plan.New(s, t.seed, can, entries)
	return p, err
}

// Run carries out a scenario and judges what was recorded. It returns an error if there is nothing to judge; all other trouble is part of the
// verdict. Faults are undone in any case.
func (c *Cluster) Run(ctx context.Context, t Trial) (Verdict, error) {
	vocabulary := c.settings.vocabulary
	for _, own := range t.own {
		vocabulary = vocabulary.with(own)
	}
	if vocabulary.err != nil {
		return Verdict{}, vocabulary.err
	}
	with := *c
	with.base.Own = vocabulary.own
	planned, err := with.plan(t)
	if err != nil {
		return Verdict{}, err
	}
	return with.Carry(ctx, planned)
}

// Carry is Run for what is planned already. What cannot be judged or written is an error, which comes with what is known of the run.
func (c *Cluster) Carry(ctx context.Context, p Planned) (Verdict, error) {
	options := c.base
	options.Plan, options.Scenario, options.Underway = p.Plan, p.Scenario, &runner.Underway{}
	options.Artifact = assembly.NewArtifacts(p.Beside, c.env.Cache).Given(p.Given).Find
	if c.settings.secretFile != nil {
		options.SecretFile = c.settings.secretFile(p.Beside)
	}
	done := func() {}
	if c.settings.underway != nil {
		done = c.settings.underway(options.Underway)
	}
	finished, err := runner.Run(ctx, options)
	done()
	if err != nil {
		return Verdict{}, err
	}
	directory := string(finished.Directory)
	verdict, err := judge(context.WithoutCancel(ctx), directory, options.Own) // an interrupted run is judged and reported, too
	verdict.Trouble, verdict.LeftBehind, verdict.Directory = finished.Err, finished.LeftBehind, directory
	if err == nil {
		verdict.Info, err = writeReports(directory, verdict.RunVerdict)
	}
	return verdict, err
}

// writeReports writes the verdict into the run directory, in all formats that are files.
func writeReports(directory string, verdict check.RunVerdict) (report.RunInfo, error) {
	info, err := report.LoadInfo(directory)
	if err != nil { // the verdict itself needs nothing of it
		return report.RunInfo{}, errors.Join(report.WriteFiles(directory, verdict, info, report.JSON), err)
	}
	return info, report.WriteFiles(directory, verdict, info, report.Kept()...)
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
	var out bytes.Buffer
	table, err := report.Render(report.Table, v.RunVerdict, v.Info, report.Style{})
	if err != nil {
		table = []byte(err.Error() + "\n")
	}
	out.Write(table)
	if v.Trouble != nil {
		fmt.Fprintf(&out, "trouble: %v\n", v.Trouble)
	}
	if v.LeftBehind != nil {
		fmt.Fprintf(&out, "left behind: %v\n", v.LeftBehind)
	}
	fmt.Fprintf(&out, "run directory: %s\n", v.Directory)
	return out.String()
}

// Judge judges the record in a run directory again. The same record gives the same verdict. Invariants of one's own are those of the catalogue.
func Judge(ctx context.Context, directory string, catalogue Vocabulary) (Verdict, error) {
	if catalogue.err != nil {
		return Verdict{}, catalogue.err
	}
	verdict, err := judge(ctx, directory, catalogue.own)
	if err != nil {
		return Verdict{}, err
	}
	verdict.Info = report.RunInfo{Directory: directory}
	if _, info, err := report.Load(directory); err == nil { // else nothing but the history is there that could be read
		verdict.Info = info
	}
	return verdict, nil
}

func judge(ctx context.Context, directory string, own runner.Own) (Verdict, error) {
	file, err := regular.Open(runner.Directory(directory).History()) // a pipe, say, would be waited for for ever
	if err != nil {
		return Verdict{}, err
	}
	defer func() { _ = file.Close() }() // opened for reading only
	verdict, err := check.Judge(ctx, history.NewReader(file), own.Invariants...)
	return Verdict{RunVerdict: verdict, Directory: directory}, err
}

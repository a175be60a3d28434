package testbed

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/internal/assembly"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/report"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Trial is a scenario with what is to be different about it. It is a value: each method returns another one.
type Trial struct {
	// Argument is a file, or the name of a shipped scenario; empty: the scenario begins with Name and Description alone.
	Argument          string
	Name, Description string
	Seed              uint64 // zero: one is picked

	changes []func(*scenario.Scenario, *Planned) error
	own     []check.Definition // of invariants that are expected
}

// Planned is a run of which everything is decided.
type Planned struct {
	Plan     *plan.Plan
	Scenario []byte            // as it was written; nil if only the plan is known
	Beside   string            // directory of the scenario's file; empty if it was shipped
	Given    map[string]string // paths of files that the scenario names, beside those in its directory
	// Repetition says which of several runs of the plan this one is; zero if there is one alone.
	Repetition report.Repetition
}

func (t Trial) change(change func(*scenario.Scenario, *Planned) error) Trial {
	t.changes = append(slices.Clip(t.changes), change)
	return t
}

// Change returns the trial with anything of the scenario changed.
func (t Trial) Change(change func(*scenario.Scenario)) Trial {
	return t.change(func(s *scenario.Scenario, _ *Planned) error {
		change(s)
		return nil
	})
}

// Application returns the trial with another application: a jar of the image if it begins with "local:", else one of this machine.
func (t Trial) Application(jar, mainClass string, args []string) Trial {
	return t.change(func(s *scenario.Scenario, run *Planned) error {
		w := &s.Spec.Workload
		if w.Application.Name == "" {
			w.Application.Name = "app"
		}
		w.Application.Jar, w.Application.MainClass, w.Application.Args = jar, mainClass, args
		w.Application.Main, w.Application.PyFiles = "", nil
		if strings.HasPrefix(jar, "local:") {
			return nil
		}
		path, err := filepath.Abs(jar)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return fmt.Errorf("application: %w", err)
		}
		w.Application.Jar = filepath.Base(path)
		if w.StagingServer.Storage == "" || w.StagingServer.Storage == scenario.StagingNone {
			w.StagingServer.Storage = scenario.StagingDurable
		}
		run.Given = map[string]string{filepath.Base(path): path}
		return nil
	})
}

// Inject returns the trial with one more fault, which replaces one of the same name.
func (t Trial) Inject(fault scenario.Fault) Trial {
	return t.Change(func(s *scenario.Scenario) {
		s.Spec.Faults = replaced(s.Spec.Faults, fault, func(f scenario.Fault) string { return f.Name })
	})
}

// Expect returns the trial with one more expectation, which replaces one of the same invariant.
func (t Trial) Expect(expected check.Expectation) Trial {
	if expected.Definition != nil {
		t.own = append(slices.Clip(t.own), *expected.Definition)
	}
	return t.Change(func(s *scenario.Scenario) {
		s.Spec.Expect = replaced(s.Spec.Expect, expected.Expectation, func(e scenario.Expectation) string { return e.Name })
	})
}

// replaced returns the list with one more element, in the place of the one of the same name if there is one.
func replaced[T any](all []T, one T, name func(T) string) []T {
	all = slices.Clone(all)
	i := slices.IndexFunc(all, func(other T) bool { return name(other) == name(one) })
	if i < 0 {
		return append(all, one)
	}
	all[i] = one
	return all
}

// decide decides everything that a trial leaves open, for the cluster, and refuses what was not allowed.
func (t *Testbed) decide(trial Trial) (Planned, error) {
	entries := t.base.Own.Catalogue()
	s, run, err := trial.scenario(entries, t.settings.Allowances.Options())
	if err != nil {
		return Planned{}, err
	}
	if t.target.Workers > 0 {
		s.Spec.Cluster.Workers = t.target.Workers
		s.Spec.Cluster.Timing = scenario.Timing{Name: t.target.Timing.Name}
	}
	for _, change := range trial.changes {
		if err := change(s, &run); err != nil {
			return Planned{}, fmt.Errorf("scenario %s: %w", s.Metadata.Name, err)
		}
	}
	needsBaseline(s, entries)
	if run.Scenario, err = scenario.Marshal(s); err != nil {
		return Planned{}, err
	}
	can, err := t.target.Kind.Can()
	if err != nil {
		return Planned{}, err
	}
	if trial.Seed == 0 {
		trial.Seed = uint64(rand.Uint32()) + 1
	}
	if run.Plan, err = plan.New(s, trial.Seed, can, entries); err != nil {
		return Planned{}, err
	}
	return run, t.settings.Allowances.Check(run.Plan.Workload, run.Beside)
}

// scenario returns the scenario that a trial begins with.
func (t Trial) scenario(entries scenario.Catalogue, how []scenario.Option) (*scenario.Scenario, Planned, error) {
	if t.Argument == "" {
		return &scenario.Scenario{
			APIVersion: scenario.APIVersion, Kind: scenario.Kind,
			Metadata: scenario.Metadata{Name: t.Name, Description: t.Description},
		}, Planned{}, nil
	}
	text, shipped, err := assembly.ReadScenario(t.Argument)
	if err != nil {
		return nil, Planned{}, err
	}
	s, err := scenario.Load(t.Argument, text, entries, how...)
	return s, Planned{Beside: assembly.BesideOf(t.Argument, shipped)}, err
}

// needsBaseline asks for a baseline if an invariant of the scenario is judged against one.
func needsBaseline(s *scenario.Scenario, entries scenario.Catalogue) {
	for _, expected := range s.Spec.Expect {
		if entry, _ := scenario.Find(entries.Invariants, expected.Name); entry.Baseline {
			s.Spec.Baseline = true
		}
	}
}

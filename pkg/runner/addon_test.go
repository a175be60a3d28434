package runner_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// fakeInstallation is an add-on that notes what is done with it.
type fakeInstallation struct {
	notes     notes
	installed bool
}

func (f *fakeInstallation) Installed(context.Context) (bool, error) {
	f.notes.add("installed?")
	return f.installed, nil
}

func (f *fakeInstallation) Install(context.Context) (made bool, err error) {
	f.notes.add("install")
	made, f.installed = !f.installed, true
	return made, nil
}

func (f *fakeInstallation) Uninstall(context.Context) (existed bool, err error) {
	f.notes.add("uninstall")
	existed, f.installed = f.installed, false
	return existed, nil
}

func (f *fakeInstallation) ResourcesOf(_ context.Context, run string) ([]history.Object, error) {
	if run == "" {
		return nil, errors.New("of all runs, want those of the run alone")
	}
	f.notes.add("look for resources")
	return nil, nil
}

func (f *fakeInstallation) DeleteResourcesOf(_ context.Context, run string) error {
	if run == "" {
		return errors.New("of all runs, want those of the run alone")
	}
	f.notes.add("delete resources")
	return nil
}

func (f *fakeInstallation) Chaos() faults.Chaos { return nil }

// addOn is one that faults of some means need.
func (f *fakeInstallation) addOn(means ...string) runner.AddOn {
	return runner.AddOn{
		Name: "the fake", Namespace: "fake", Means: means,
		On: func(cluster.Cluster) (runner.Installation, error) { return f, nil },
	}
}

// An add-on that the runner does not know is installed where it is needed, and goes only with the run that installed it.
func TestTheRunnerKnowsTheAddOnByItsInterfaceAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		needed, there bool
		want          []string
	}{
		"not needed":             {},
		"not there":              {needed: true, want: []string{"installed?", "install", "delete resources", "look for resources", "uninstall"}},
		"there, and so it stays": {needed: true, there: true, want: []string{"installed?", "install", "delete resources", "look for resources"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
			p := planned(t, "")
			o := optionsIn(t, w, p)
			fake := &fakeInstallation{installed: test.there}
			o.KeepCluster, o.AddOn = true, fake.addOn("another means")
			if test.needed {
				o.AddOn = fake.addOn("another means", meansOf(t, p))
			}
			finished, err := runner.Run(t.Context(), o)
			if err != nil || finished.Err != nil || finished.LeftBehind != nil {
				t.Fatal(err, finished.Err, finished.LeftBehind)
			}
			if diff := cmp.Diff(test.want, fake.notes.text); diff != "" {
				t.Errorf("what was done with the add-on (-want +got):\n%s", diff)
			}
			if want := test.there; fake.installed != want {
				t.Errorf("installed after the run: %t, want %t", fake.installed, want)
			}
		})
	}
}

// meansOf returns the means of the plan's fault.
func meansOf(t *testing.T, p *plan.Plan) string {
	t.Helper()
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Action == plan.Inject })
	if i < 0 || p.Steps[i].By == "" {
		t.Fatal("the plan has no fault with a means")
	}
	return p.Steps[i].By
}

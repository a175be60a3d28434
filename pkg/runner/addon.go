package runner

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
)

// AddOn is software by which faults are injected and which a run installs on a cluster that lacks it. The zero value is none.
type AddOn struct {
	Name           string   // for people
	Namespace      string   // its own, which is no run's
	Means          []string // of faults that need it; see scenario.Entry.By
	InstallTimeout time.Duration
	// On returns access to the add-on on a cluster, whether or not it is installed there.
	On func(cluster.Cluster) (Installation, error)
}

// Installation is an add-on on one cluster.
type Installation interface {
	// Installed reports whether it is there, whoever installed it and even if it does not work.
	Installed(ctx context.Context) (bool, error)
	// Install makes it ready; made reports whether it had to be installed.
	Install(ctx context.Context) (made bool, err error)
	// Uninstall removes what Install installed; existed reports whether there was anything to remove.
	Uninstall(ctx context.Context) (existed bool, err error)
	// ResourcesOf returns what faults of a run, or of all runs if run is empty, created by it.
	ResourcesOf(ctx context.Context, run string) ([]history.Object, error)
	// DeleteResourcesOf deletes what ResourcesOf returns. One that cannot be deleted does not stop the others.
	DeleteResourcesOf(ctx context.Context, run string) error
	// Chaos is what faults inject by.
	Chaos() faults.Chaos
}

// allRuns selects the resources of every run.
const allRuns = ""

// added is an add-on on the cluster of a run; the zero value is one that the run does not need, or that cannot be reached.
type added struct {
	Installation
	made bool // it was installed for this run
}

// neededBy reports whether a step of the plan needs the add-on.
func (a AddOn) neededBy(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return slices.Contains(a.Means, s.By) })
}

// on returns the add-on on a cluster for a clean-up; the zero value if the API cannot be reached.
func (a AddOn) on(c cluster.Cluster) added {
	if a.On == nil {
		return added{}
	}
	installation, err := a.On(c)
	if err != nil {
		return added{}
	}
	return added{Installation: installation}
}

// there reports whether the add-on is of use.
func (a added) there() bool { return a.Installation != nil }

// chaos is what faults inject by; nil if the add-on is of no use.
func (a added) chaos() faults.Chaos {
	if !a.there() {
		return nil
	}
	return a.Chaos()
}

// deleteResources deletes the remaining resources of a run: one that hangs would keep its namespace from being deleted.
func (a added) deleteResources(ctx context.Context, run string) error {
	if !a.there() {
		return nil
	}
	return a.DeleteResourcesOf(ctx, run)
}

// prepareAddOn installs the add-on if the plan needs it, and checks before the launch that the cluster can do what the plan needs.
func (r *run) prepareAddOn(ctx context.Context) error {
	if !r.AddOn.neededBy(r.Plan) {
		return nil
	}
	installation, err := r.AddOn.On(r.cluster)
	if err != nil {
		return err
	}
	installed, err := installation.Installed(ctx)
	if err != nil {
		return err
	}
	r.added.Installation = installation
	if !installed {
		// Recorded before, because a run that is killed meanwhile leaves an incomplete installation.
		if err := r.active.InstallingAddOn(); err != nil {
			return err
		}
		r.added.made = true
	}
	done := r.Progress.Await(r.AddOn.Name, r.AddOn.InstallTimeout, func() string { return "being installed" })
	_, err = installation.Install(ctx)
	done()
	if err != nil {
		return err
	}
	disturbances, err := r.disturbances(r.faultEnv(nil))
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range disturbances {
		errs = append(errs, d.fault.Preflight(ctx))
	}
	return errors.Join(errs...)
}

// removeAddOn removes the add-on if it was installed for the run and the cluster is kept.
func (r *run) removeAddOn(ctx context.Context) error {
	if !r.added.made || r.goes() {
		return nil
	}
	_, err := r.added.Uninstall(ctx)
	return err
}

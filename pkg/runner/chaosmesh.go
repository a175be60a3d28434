package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sparkchaos/sparkchaos/internal/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// ChaosMesh is Chaos Mesh on the cluster of a run.
type ChaosMesh interface {
	faults.Chaos
	// Status inspects it.
	Status(ctx context.Context) (chaosmesh.Status, error)
	// OfRun returns the resources that carry a run's label.
	OfRun(ctx context.Context, run string) ([]chaosmesh.Resource, error)
	// Install makes it ready; made reports whether it had to be installed.
	Install(ctx context.Context) (made bool, err error)
	// Uninstall removes what Install installed; existed reports whether there was anything to remove.
	Uninstall(ctx context.Context) (existed bool, err error)
}

// ChaosMeshOn returns access to Chaos Mesh on a cluster, whether or not it is installed there.
type ChaosMeshOn func(cluster.Cluster) (ChaosMesh, error)

// needsChaosMesh reports whether a step of the plan needs it.
func needsChaosMesh(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.By == scenario.ByChaosMesh || s.By == scenario.ByCloud })
}

// prepareChaosMesh installs Chaos Mesh if the plan needs it, and checks before the launch that the cluster can do what the plan needs.
func (r *run) prepareChaosMesh(ctx context.Context) error {
	if !needsChaosMesh(r.Plan) {
		return nil
	}
	chaos, err := r.Options.ChaosMesh(r.cluster)
	if err != nil {
		return err
	}
	status, err := chaos.Status(ctx)
	if err != nil {
		return err
	}
	r.chaos = chaos
	if !status.Installed {
		// Recorded before, because a run that is killed meanwhile leaves an incomplete installation.
		if err := r.active.InstallingChaosMesh(); err != nil {
			return err
		}
		r.chaosMade = true
	}
	done := r.Progress.Await("Chaos Mesh", chaosmesh.InstallTimeout, func() string { return "being installed" })
	_, err = chaos.Install(ctx)
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

// deleteResources deletes the run's remaining resources: one that hangs would keep its namespace from being deleted.
func (r *run) deleteResources(ctx context.Context) error {
	if r.chaos == nil {
		return nil
	}
	return deleteResources(ctx, r.chaos, r.id)
}

// removeChaosMesh removes Chaos Mesh if it was installed for the run and the cluster is kept.
func (r *run) removeChaosMesh(ctx context.Context) error {
	if !r.chaosMade || r.goes() {
		return nil
	}
	_, err := r.chaos.Uninstall(ctx)
	return err
}

func deleteResources(ctx context.Context, chaos ChaosMesh, run string) error {
	left, err := chaos.OfRun(ctx, run)
	errs := []error{err}
	for _, resource := range left {
		if _, err := chaos.Delete(ctx, resource); err != nil {
			errs = append(errs, fmt.Errorf("remove %s: %w", resource, err))
		}
	}
	return errors.Join(errs...)
}

// chaosOf returns access to the Chaos Mesh of a cluster for a clean-up; nil if the API cannot be reached.
func chaosOf(on ChaosMeshOn, c cluster.Cluster) (faults.Chaos, ChaosMesh) {
	chaos, err := on(c)
	if err != nil {
		return nil, nil
	}
	return chaos, chaos
}

package assembly

import (
	"context"
	"errors"
	"fmt"

	"github.com/sparkchaos/sparkchaos/internal/chaosmesh"
	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// ChaosMesh is Chaos Mesh on one cluster.
type ChaosMesh struct {
	client  *chaosmesh.Client
	cluster cluster.Cluster
	from    Supplies
}

// Supplies are what Chaos Mesh is installed with.
type Supplies struct {
	Cache  string             // of what was built here
	Images cluster.References // those that nodes pull
	Say    func(line string)
}

var _ runner.Installation = ChaosMesh{}

// AddOn returns Chaos Mesh as what runs install if their faults need it.
func AddOn(from Supplies) runner.AddOn {
	return runner.AddOn{
		Name: "Chaos Mesh", Namespace: chaosmesh.Namespace, InstallTimeout: chaosmesh.InstallTimeout,
		Means: []string{scenario.ByChaosMesh, scenario.ByCloud},
		On:    func(c cluster.Cluster) (runner.Installation, error) { return ChaosMeshOn(c, from) },
	}
}

// ChaosMeshOn returns access to Chaos Mesh on a cluster, whether it is installed there or not.
func ChaosMeshOn(c cluster.Cluster, from Supplies) (ChaosMesh, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return ChaosMesh{}, err
	}
	client, err := chaosmesh.NewClient(config)
	return ChaosMesh{client: client, cluster: c, from: from}, err
}

// Status inspects it.
func (m ChaosMesh) Status(ctx context.Context) (chaosmesh.Status, error) { return m.client.Status(ctx) }

// Installed reports whether it is there, whoever installed it and even if it does not work.
func (m ChaosMesh) Installed(ctx context.Context) (bool, error) {
	status, err := m.Status(ctx)
	return status.Installed, err
}

// Chaos is what faults inject by.
func (m ChaosMesh) Chaos() faults.Chaos { return m.client }

// ResourcesOf returns the resources that carry a run's label, or the label of any run if run is empty.
func (m ChaosMesh) ResourcesOf(ctx context.Context, run string) ([]history.Object, error) {
	resources, err := m.client.OfRun(ctx, run)
	var found []history.Object
	for _, resource := range resources {
		found = append(found, history.Object{Kind: resource.Kind, Namespace: resource.Namespace, Name: resource.Name, UID: resource.UID})
	}
	return found, err
}

// DeleteResourcesOf deletes the resources of a run, or of all runs if run is empty.
func (m ChaosMesh) DeleteResourcesOf(ctx context.Context, run string) error {
	left, err := m.client.OfRun(ctx, run)
	errs := []error{err}
	for _, resource := range left {
		if _, err := m.client.Delete(ctx, resource); err != nil {
			errs = append(errs, fmt.Errorf("remove %s: %w", resource, err))
		}
	}
	return errors.Join(errs...)
}

// Install makes Chaos Mesh ready, with images that were built here where the cluster cannot pull any. made reports whether it was
// not there before.
func (m ChaosMesh) Install(ctx context.Context) (made bool, err error) {
	status, err := m.Status(ctx)
	if err != nil || status.Works() {
		return false, err
	}
	parts, err := m.parts(ctx)
	if err != nil {
		return false, err
	}
	return !status.Installed, m.client.Install(ctx, parts, m.host(), m.from.Say)
}

// Uninstall removes what Install made.
func (m ChaosMesh) Uninstall(ctx context.Context) (existed bool, err error) {
	return m.client.Uninstall(ctx, m.host())
}

// host is nil unless the cluster can run the controller manager beside its control plane.
func (m ChaosMesh) host() cluster.ControlPlaneHost {
	host, _ := m.cluster.(cluster.ControlPlaneHost)
	return host
}

// parts finds what the installation is made of, and brings its images to the nodes.
func (m ChaosMesh) parts(ctx context.Context) (chaosmesh.Parts, error) {
	manager, err1 := components.LocateOnDemand(m.from.Cache, components.ChaosControllerManager)
	if err1 != nil {
		return chaosmesh.Parts{}, err1
	}
	chart, err1 := components.LocateData(m.from.Cache, components.ChaosControllerManager, "chart")
	crds, err2 := components.LocateData(m.from.Cache, components.ChaosControllerManager, "crds")
	if err := errors.Join(err1, err2); err != nil {
		return chaosmesh.Parts{}, err
	}
	parts := chaosmesh.Parts{Chart: chart, CRDs: crds, Manager: manager}
	loads, ok := m.cluster.(cluster.ImageStore)
	if !ok {
		parts.Image, parts.PauseImage, parts.Pulled = m.from.Images.ChaosMesh, m.from.Images.ChaosMeshPause, true
		return parts, nil // which its nodes pull by themselves
	}
	for _, needed := range []struct {
		build     func(context.Context, image.Env) (image.Archive, error)
		reference *string
	}{{image.ChaosMesh, &parts.Image}, {image.Pause, &parts.PauseImage}} {
		archive, err := needed.build(ctx, image.Env{Cache: m.from.Cache})
		if err != nil {
			return parts, err
		}
		*needed.reference = archive.Reference
		if err := cluster.LoadMissing(ctx, m.cluster, loads, archive.Path); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

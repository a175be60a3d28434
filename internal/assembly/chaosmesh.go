package assembly

import (
	"context"
	"errors"

	"github.com/sparkchaos/sparkchaos/internal/chaosmesh"
	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// chaosMesh is Chaos Mesh on one cluster.
type chaosMesh struct {
	*chaosmesh.Client
	cluster cluster.Cluster
	cache   string
	images  cluster.References
	say     func(line string)
}

var _ runner.ChaosMesh = chaosMesh{}

// ChaosMeshOn returns a function that reaches Chaos Mesh on a cluster, whether it is installed there or not.
func ChaosMeshOn(cache string, images cluster.References, say func(line string)) func(cluster.Cluster) (runner.ChaosMesh, error) {
	return func(c cluster.Cluster) (runner.ChaosMesh, error) {
		config, err := c.RESTConfig()
		if err != nil {
			return nil, err
		}
		client, err := chaosmesh.NewClient(config)
		if err != nil {
			return nil, err
		}
		return chaosMesh{Client: client, cluster: c, cache: cache, images: images, say: say}, nil
	}
}

// Install makes Chaos Mesh ready, with images that were built here where the cluster cannot pull any. made reports whether it was
// not there before.
func (m chaosMesh) Install(ctx context.Context) (made bool, err error) {
	status, err := m.Status(ctx)
	if err != nil || status.Works() {
		return false, err
	}
	parts, err := m.parts(ctx)
	if err != nil {
		return false, err
	}
	return !status.Installed, m.Client.Install(ctx, parts, m.host(), m.say)
}

// Uninstall removes what Install made.
func (m chaosMesh) Uninstall(ctx context.Context) (existed bool, err error) {
	return m.Client.Uninstall(ctx, m.host())
}

// host is nil unless the cluster can run the controller manager beside its control plane.
func (m chaosMesh) host() cluster.ControlPlaneHost {
	host, _ := m.cluster.(cluster.ControlPlaneHost)
	return host
}

// parts finds what the installation is made of, and brings its images to the nodes.
func (m chaosMesh) parts(ctx context.Context) (chaosmesh.Parts, error) {
	manager, err1 := components.LocateOnDemand(m.cache, components.ChaosControllerManager)
	if err1 != nil {
		return chaosmesh.Parts{}, err1
	}
	chart, err1 := components.LocateData(m.cache, components.ChaosControllerManager, "chart")
	crds, err2 := components.LocateData(m.cache, components.ChaosControllerManager, "crds")
	if err := errors.Join(err1, err2); err != nil {
		return chaosmesh.Parts{}, err
	}
	parts := chaosmesh.Parts{Chart: chart, CRDs: crds, Manager: manager}
	loads, ok := m.cluster.(cluster.ImageStore)
	if !ok {
		parts.Image, parts.PauseImage, parts.Pulled = m.images.ChaosMesh, m.images.ChaosMeshPause, true
		return parts, nil // which its nodes pull by themselves
	}
	for _, needed := range []struct {
		build     func(context.Context, image.Env) (image.Archive, error)
		reference *string
	}{{image.ChaosMesh, &parts.Image}, {image.Pause, &parts.PauseImage}} {
		archive, err := needed.build(ctx, image.Env{Cache: m.cache})
		if err != nil {
			return parts, err
		}
		*needed.reference = archive.Reference
		if loads.HasImage(archive.Path) {
			continue
		}
		if err := m.cluster.Load(ctx, archive.Path); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

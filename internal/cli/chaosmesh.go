package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/image"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// chaosMesh is Chaos Mesh on one cluster.
type chaosMesh struct {
	*chaosmesh.Client
	cluster cluster.Cluster
	env     image.Env
	images  cluster.References
	say     func(line string)
}

var _ runner.ChaosMesh = chaosMesh{}

// chaosMeshOn returns a function that reaches Chaos Mesh on a cluster, whether it is installed there or not.
func chaosMeshOn(env image.Env, images cluster.References, say func(line string)) func(cluster.Cluster) (runner.ChaosMesh, error) {
	return func(c cluster.Cluster) (runner.ChaosMesh, error) {
		config, err := c.RESTConfig()
		if err != nil {
			return nil, err
		}
		client, err := chaosmesh.NewClient(config)
		if err != nil {
			return nil, err
		}
		return chaosMesh{Client: client, cluster: c, env: env, images: images, say: say}, nil
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
	manager, err1 := components.LocateOnDemand(m.env.Cache, components.ChaosControllerManager)
	if err1 != nil {
		return chaosmesh.Parts{}, err1
	}
	chart, err1 := components.LocateData(m.env.Cache, components.ChaosControllerManager, "chart")
	crds, err2 := components.LocateData(m.env.Cache, components.ChaosControllerManager, "crds")
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
		archive, err := needed.build(ctx, m.env)
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

// newChaosMeshCommand returns `sparkchaos chaos-mesh`.
func newChaosMeshCommand(getenv func(string) string) *cobra.Command {
	chosen := newClusterChoice()
	open := func(command *cobra.Command) (runner.ChaosMesh, error) {
		provider, name, err := clustersAt(command, getenv, chosen)
		if err != nil {
			return nil, err
		}
		c, err := provider.Open(name)
		if err != nil {
			return nil, err
		}
		cache, err := paths.Cache(getenv)
		if err != nil {
			return nil, err
		}
		say := func(line string) { fmt.Fprintln(command.ErrOrStderr(), line) }
		return chaosMeshOn(imagesOf(cache), referencesOf(provider), say)(c)
	}
	group := newGroup("chaos-mesh", "Install, remove and inspect Chaos Mesh, which some faults need",
		newChaosMeshInstallCommand(open), newChaosMeshUninstallCommand(open), newChaosMeshStatusCommand(open))
	flags := group.PersistentFlags()
	chosen.addKind(flags, "cluster type")
	flags.StringVar(&chosen.name, "name", defaultCluster, "name of the cluster")
	chosen.addFlags(flags, cluster.ToReach)
	return group
}

func newChaosMeshInstallCommand(open func(*cobra.Command) (runner.ChaosMesh, error)) *cobra.Command {
	return &cobra.Command{
		Use: "install", Short: "Install Chaos Mesh, unless it works there already; a run does that by itself when its plan needs it", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			m, err := open(command)
			if err != nil {
				return err
			}
			made, err := m.Install(command.Context())
			if err != nil {
				return err
			}
			words := "Chaos Mesh is installed"
			if !made {
				words = "Chaos Mesh works there already"
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), words)
			return err
		},
	}
}

func newChaosMeshUninstallCommand(open func(*cobra.Command) (runner.ChaosMesh, error)) *cobra.Command {
	return &cobra.Command{
		Use: "uninstall", Short: "Remove a Chaos Mesh that sparkchaos installed, with all its resources in the cluster; what they did is undone first", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			m, err := open(command)
			if err != nil {
				return err
			}
			existed, err := m.Uninstall(command.Context())
			if err != nil {
				return err
			}
			words := "Chaos Mesh is removed"
			if !existed {
				words = "Chaos Mesh is not installed"
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), words)
			return err
		},
	}
}

func newChaosMeshStatusCommand(open func(*cobra.Command) (runner.ChaosMesh, error)) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use: "status", Short: "Say whether Chaos Mesh is there, who installed it and whether it works", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			m, err := open(command)
			if err != nil {
				return err
			}
			status, err := m.Status(command.Context())
			if err != nil {
				return err
			}
			switch output {
			case "json":
				return json.NewEncoder(command.OutOrStdout()).Encode(status)
			case "text":
				_, err = fmt.Fprintln(command.OutOrStdout(), status)
				return err
			default:
				return usagef("--output %q: expected text or json", output)
			}
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return command
}

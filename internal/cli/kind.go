package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
)

// newKindCommand returns `sparkchaos kind`.
func newKindCommand(getenv func(string) string) *cobra.Command {
	return newGroup("kind", "Build kind's node image where no image registry can be reached",
		newKindBuildNodeImageCommand(getenv),
	)
}

func newKindBuildNodeImageCommand(getenv func(string) string) *cobra.Command {
	var source string
	var load bool
	command := &cobra.Command{
		Use:   "build-node-image",
		Short: "Build kind's node image from package registries alone, and load it into Docker or Podman if one of them answers; needs root",
		Long: `Build kind's node image from Debian packages, the files of kind's own base image and the components, and load it into Docker
or Podman if one of them answers. It replaces kindest/node where no image can be pulled.

The image has no pod network (label ` + image.KindCNILabel + `=` + image.KindNoCNI + `) and no volume provisioner: a cluster
of it needs networking.disableDefaultCNI and a CNI configuration on each node.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, progress := command.Context(), command.ErrOrStderr()
			env, err := imageEnv(getenv, source, progress)
			if err != nil {
				return err
			}
			if err := buildNodeComponents(ctx, env, source, progress); err != nil {
				return err
			}
			archive, err := image.KindNode(ctx, env)
			if err != nil {
				return err
			}
			if err := writeImageTable(command.OutOrStdout(), []image.Archive{archive}); err != nil || !load {
				return err
			}
			return loadIntoEngine(ctx, archive, progress)
		},
	}
	command.Flags().StringVar(&source, "source", "",
		"a checkout of sparkchaos, or a directory in one (default: the one around the working directory, or what belongs to this program)")
	command.Flags().BoolVar(&load, "load", true, "load the image into Docker or Podman if one of them answers")
	return command
}

// buildNodeComponents builds what the node image is made of and the cache lacks, from a checkout that a directory lies in or from what is
// embedded in this program.
func buildNodeComponents(ctx context.Context, env image.Env, from string, progress io.Writer) error {
	all, err := components.Components()
	if err != nil {
		return err
	}
	needed, missing := nodeComponents(all, env.Cache)
	if len(missing) == 0 {
		return nil
	}
	source, err := components.Source(from, env.Cache)
	if err != nil {
		return err
	}
	return components.Build(ctx, components.Options{Source: source, Cache: env.Cache, Only: needed, Progress: progress})
}

// nodeComponents names the components that the node image is made of, and those of them that the cache lacks.
func nodeComponents(all []components.Component, cache string) (needed, missing []string) {
	for _, c := range all {
		if c.OnDemand && c.Name != "kubeadm" && c.Name != "cri-tools" {
			continue
		}
		needed = append(needed, c.Name)
		if !c.Built(cache) {
			missing = append(missing, c.Name)
		}
	}
	return needed, missing
}

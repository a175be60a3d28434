package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/internal/table"
	"github.com/sparkchaos/sparkchaos/internal/wording"
)

// imageTarget is an image that can be built by name.
type imageTarget struct {
	name  string
	build func(context.Context, image.Env) (image.Archive, error)
	// formerly is a deprecated name.
	formerly string
	// onDemand reports that it is built only when it is named.
	onDemand bool
}

// imageTargets lists the images in the order in which they are built. Those that only some scenarios need are built by name.
func imageTargets() []imageTarget {
	return []imageTarget{
		{name: "pause", build: image.Pause}, {name: "toolbox", build: image.Toolbox}, {name: "pod", formerly: "staging", build: image.Staging},
		{name: "spark", build: image.Spark},
		{name: "chaos-mesh", build: image.ChaosMesh, onDemand: true}, {name: "spark-operator", build: image.SparkOperator, onDemand: true},
	}
}

// newImageCommand returns `sparkchaos image`.
func newImageCommand(getenv func(string) string) *cobra.Command {
	return newGroup("image", "Build and list the container images that clusters run, without Docker or a registry",
		newImageBuildCommand(getenv),
		newImageListCommand(getenv),
	)
}

func newImageBuildCommand(getenv func(string) string) *cobra.Command {
	var source string
	var variant image.SparkVariant
	var names []string
	for _, target := range imageTargets() {
		names = append(names, target.name)
		if target.formerly != "" {
			names = append(names, target.formerly)
		}
	}
	command := &cobra.Command{
		Use:       "build [pause|toolbox|pod|spark|chaos-mesh|spark-operator]...",
		ValidArgs: names,
		Args:      cobra.OnlyValidArgs,
		Short:     "Build images that are missing in the cache and print their paths; without a name, those that every scenario needs",
		RunE: func(command *cobra.Command, names []string) error {
			if variant != (image.SparkVariant{}) && !slices.Contains(names, "spark") {
				return usagef("--spark and --python are of the image spark; write `sparkchaos image build spark --spark %s`",
					cmp.Or(variant.Version, "VERSION"))
			}
			env, err := imageEnv(getenv, source, command.ErrOrStderr())
			if err != nil {
				return err
			}
			var built []image.Archive
			for _, target := range imageTargets() {
				if !target.wanted(names) {
					continue
				}
				build := target.build
				if target.name == "spark" {
					build = variant.Build
				}
				archive, err := build(command.Context(), env)
				if err != nil {
					return err
				}
				built = append(built, archive)
			}
			return writeImageTable(command.OutOrStdout(), built)
		},
	}
	flags := command.Flags()
	flags.StringVar(&source, "source", "", "a checkout of sparkchaos, or a directory in one (default: the one around the working "+
		"directory, or the source of this program's own module)")
	flags.StringVar(&variant.Version, "spark", "", "version of Spark in the image spark: "+
		strings.Join(image.Releases(), ", ")+" (default: the one that the workloads are built with)")
	flags.BoolVar(&variant.Python, "python", false, "add Python and PySpark to the image spark, for Python applications; "+
		"needs root")
	return command
}

// wanted reports whether a target was asked for; no names ask for all that every scenario needs.
func (t imageTarget) wanted(names []string) bool {
	return slices.Contains(names, t.name) || t.formerly != "" && slices.Contains(names, t.formerly) || len(names) == 0 && !t.onDemand
}

// imageEnv describes this machine to the builder of images. Outside of a checkout only what needs none can be built.
func imageEnv(getenv func(string) string, source string, progress io.Writer) (image.Env, error) {
	cache, err := paths.Cache(getenv)
	if err != nil {
		return image.Env{}, err
	}
	return image.Env{Cache: cache, Checkout: components.Checkout(source),
		Progress: func(p image.Progress) { printImageProgress(progress, p) }}, nil
}

func printImageProgress(out io.Writer, p image.Progress) {
	switch {
	case p.Warning != "":
		fmt.Fprintf(out, "%-20s warning: %s\n", p.Stage, p.Warning)
	case p.Err != nil:
		fmt.Fprintf(out, "%-20s failed after %s\n", p.Stage, p.Elapsed.Round(10*time.Millisecond))
	case p.Done:
		fmt.Fprintf(out, "%-20s done in %s\n", p.Stage, p.Elapsed.Round(10*time.Millisecond))
	default:
		fmt.Fprintf(out, "%-20s %s\n", p.Stage, cmp.Or(p.Detail, "…"))
	}
}

func newImageListCommand(getenv func(string) string) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "list",
		Short: "List the images in the cache",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			env, err := imageEnv(getenv, "", command.ErrOrStderr())
			if err != nil {
				return err
			}
			archives, err := image.Cached(env)
			if err != nil {
				return err
			}
			switch output {
			case "table":
				return writeImageTable(command.OutOrStdout(), archives)
			case "json":
				return printJSON(command.OutOrStdout(), archives)
			default:
				return usagef("--output is %q; expected table or json", output)
			}
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return command
}

func writeImageTable(out io.Writer, archives []image.Archive) error {
	t := table.New("Image", "Digest", "Size", "Archive")
	for _, a := range archives {
		t.Add(a.Reference, fmt.Sprintf("%.19s", a.Digest), wording.Megabytes(a.Size), a.Path)
	}
	return t.Render(out)
}

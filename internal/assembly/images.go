package assembly

import (
	"context"
	"os"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/parts"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// CachedImage builds an image for a run, or finds the last one where there is no checkout to build from.
func CachedImage(build func(context.Context, image.Env) (image.Archive, error), cache string,
	show runner.Progress) func(context.Context) (runner.Image, error) {
	return func(ctx context.Context) (runner.Image, error) {
		env, err := prepared(ctx, cache, show)
		if err != nil {
			return runner.Image{}, err
		}
		archive, err := build(ctx, env)
		return runner.Image{Reference: archive.Reference, Archive: archive.Path, Digest: archive.Digest}, err
	}
}

// WitnessJar returns a function that builds the jar of the witness plugin, or finds the last one where there is no checkout, and
// reads it.
func WitnessJar(cache string, show runner.Progress) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		env, err := prepared(ctx, cache, show)
		if err != nil {
			return nil, err
		}
		jar, err := image.Witness(ctx, env)
		if err != nil {
			return nil, err
		}
		return os.ReadFile(jar)
	}
}

// prepared returns an environment to build in that has what prebuilt parts have, if the environment variable names some.
func prepared(ctx context.Context, cache string, show runner.Progress) (image.Env, error) {
	env := ImagesOf(cache)
	return showing(env, show), parts.Machine{Env: env, Say: show.Say}.PrepareImages(ctx, os.Getenv)
}

// showing returns an environment whose builds a person sees.
func showing(env image.Env, show runner.Progress) image.Env {
	env.Progress = func(step image.Progress) {
		if step.Warning != "" {
			show.Say("building an image: %s: warning: %s", step.Stage, step.Warning)
		} else if !step.Done {
			show.Say("building an image: %s", step.Stage)
		}
	}
	return env
}

// ReferencesOf returns the images that the nodes of a provider's clusters pull; none if they pull none.
func ReferencesOf(provider cluster.Provider) cluster.References {
	if puller, ok := provider.(cluster.Puller); ok {
		return puller.References()
	}
	return cluster.References{}
}

// ImagesOf is where images are built from and kept: from a checkout, or from the source of the installed program's own module.
func ImagesOf(cache string) image.Env {
	return image.Env{Cache: cache, Checkout: components.Checkout("")}
}

// ImageNamed is an image that the nodes get by themselves.
func ImageNamed(reference, flag, what string) func(context.Context) (runner.Image, error) {
	return func(context.Context) (runner.Image, error) {
		if reference == "" {
			return runner.Image{}, cluster.Optionf("an existing cluster pulls its images: %s names %s; `sparkchaos image build` builds it, push "+
				"it to a registry that the nodes reach", flag, what)
		}
		return runner.Image{Reference: reference}, nil
	}
}

// PulledImage is ImageNamed for the image of a workload, which must not ask for one that no registry has.
func PulledImage(reference string) func(context.Context, scenario.Workload) (runner.Image, error) {
	return func(ctx context.Context, w scenario.Workload) (runner.Image, error) {
		const push = "push it to a registry that the nodes reach and name it in spec.workload.image"
		switch variant := variantOf(w); {
		case variant != image.SparkVariant{}:
			return runner.Image{}, cluster.Optionf("an existing cluster pulls its images: `sparkchaos image build %s` builds the one of "+
				"spec.workload.spark; %s", variant.Arguments(), push)
		default:
			return ImageNamed(reference, "--image", "Spark's")(ctx)
		}
	}
}

// WorkloadImage builds the image of workloads that name none, or finds the last one where there is no checkout to build from.
func WorkloadImage(cache string, show runner.Progress) func(context.Context, scenario.Workload) (runner.Image, error) {
	return func(ctx context.Context, w scenario.Workload) (runner.Image, error) {
		variant := variantOf(w)
		if err := lacks(w, variant); err != nil {
			return runner.Image{}, err
		}
		return CachedImage(variant.Build, cache, show)(ctx)
	}
}

// variantOf returns which of the images that are built here a workload runs in.
func variantOf(w scenario.Workload) image.SparkVariant {
	spark := w.BuiltSpark()
	return image.SparkVariant{Version: spark.Version, Python: spark.Python}
}

// lacks returns why an application cannot run in an image that is built here.
func lacks(w scenario.Workload, variant image.SparkVariant) error {
	switch language := w.Application.Language(); {
	case language == scenario.Python && !variant.Python:
		return cluster.Optionf("%s is a Python file, and the image that is built here has no Python without spec.workload.spark: "+
			"{python: true}", w.Application.Resource())
	case language == scenario.R:
		return cluster.Optionf("%s is an R file, and the images that are built here have no R: name an image that has it in "+
			"spec.workload.image", w.Application.Resource())
	case language == scenario.SQL && variant.Version == "":
		return cluster.Optionf("%s is a SQL script, and the image that is built here by default has no spark-sql: write spec.workload.spark: "+
			"{version: %s}, which has it",
			w.Application.Resource(), newest())
	default:
		return nil
	}
}

// newest returns the newest release of which images are built.
func newest() string {
	all := image.Releases()
	return all[len(all)-1]
}

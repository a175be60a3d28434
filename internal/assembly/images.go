package assembly

import (
	"context"
	"os"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// CachedImage builds an image for a run, or finds the last one where there is no checkout to build from.
func CachedImage(build func(context.Context, image.Env) (image.Archive, error), cache string, show runner.Progress) func(context.Context) (runner.Image, error) {
	return func(ctx context.Context) (runner.Image, error) {
		archive, err := build(ctx, showing(ImagesOf(cache), show))
		return runner.Image{Reference: archive.Reference, Archive: archive.Path, Digest: archive.Digest}, err
	}
}

// WitnessJar returns a function that builds the jar of the witness plugin, or finds the last one where there is no checkout, and
// reads it.
func WitnessJar(cache string, show runner.Progress) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		jar, err := image.Witness(ctx, showing(ImagesOf(cache), show))
		if err != nil {
			return nil, err
		}
		return os.ReadFile(jar)
	}
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
			return runner.Image{}, cluster.Optionf("an existing cluster pulls its images: %s names %s; `sparkchaos image build` builds it, push it to a registry that the nodes reach", flag, what)
		}
		return runner.Image{Reference: reference}, nil
	}
}

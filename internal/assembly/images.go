package assembly

import (
	"context"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// CachedImage builds an image for a run, or finds the last one where there is no checkout to build from.
func CachedImage(build func(context.Context, image.Env) (image.Archive, error), cache string, show runner.Progress) func(context.Context) (runner.Image, error) {
	return func(ctx context.Context) (runner.Image, error) {
		env := ImagesOf(cache)
		env.Progress = func(step image.Progress) {
			if step.Warning != "" {
				show.Say("building an image: %s: warning: %s", step.Stage, step.Warning)
			} else if !step.Done {
				show.Say("building an image: %s", step.Stage)
			}
		}
		archive, err := build(ctx, env)
		return runner.Image{Reference: archive.Reference, Archive: archive.Path, Digest: archive.Digest}, err
	}
}

// ReferencesOf returns the images that the nodes of a provider's clusters pull; none if they pull none.
func ReferencesOf(provider cluster.Provider) cluster.References {
	if puller, ok := provider.(cluster.Puller); ok {
		return puller.References()
	}
	return cluster.References{}
}

// ImagesOf is where images are built from and kept; an installed program that is used anywhere has no checkout.
func ImagesOf(cache string) image.Env {
	checkout, err := components.FindSource(".")
	if err != nil {
		checkout = ""
	}
	return image.Env{Cache: cache, Checkout: checkout}
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

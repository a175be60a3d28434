package assembly

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path"

	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// opener opens a file that a scenario names.
type opener = func(ctx context.Context, name string) (*os.File, error)

// GivenImage returns a function that takes the image of a workload from an archive beside its scenario, and refuses one in which the
// application cannot run.
func GivenImage(cache string, show runner.Progress) func(context.Context, scenario.Workload, opener) (runner.Image, error) {
	return func(ctx context.Context, w scenario.Workload, open opener) (made runner.Image, err error) {
		file, err := open(ctx, w.ImageArchive)
		if err != nil {
			return made, err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		application, closeJars, err := applicationOf(ctx, w, open)
		if err != nil {
			return made, err
		}
		defer func() { err = errors.Join(err, closeJars()) }()
		archive, err := image.Given(ctx, showing(ImagesOf(cache), show), file, application)
		if ctx.Err() != nil {
			return made, ctx.Err()
		}
		if err != nil {
			return made, cluster.Optionf("spec.workload.imageArchive: %w", err)
		}
		return runner.Image{Reference: archive.Reference, Archive: archive.Path, Digest: archive.Digest}, nil
	}
}

// NoGivenImage refuses an archive on a cluster whose nodes pull their images.
func NoGivenImage(_ context.Context, w scenario.Workload, _ opener) (runner.Image, error) {
	return runner.Image{}, cluster.Optionf("an existing cluster pulls its images: push that of %s to a registry that the nodes reach, "+
		"and name it in spec.workload.image", w.ImageArchive)
}

// applicationOf returns what an image has to be able to run, with the jars beside the scenario, which the function closes.
func applicationOf(ctx context.Context, w scenario.Workload, open opener) (image.Application, func() error, error) {
	a := w.Application
	app := image.Application{
		Python: a.Language() == scenario.Python, R: a.Language() == scenario.R, SQL: a.Language() == scenario.SQL,
		Interpreter: cmp.Or(w.Conf["spark.pyspark.driver.python"].Text, w.Conf["spark.pyspark.python"].Text),
		Inside:      scenario.InImage(a), Beside: map[string]*os.File{},
	}
	if a.Resource() == "" { // the applications of sparkchaos
		app.Inside = append(app.Inside, image.WorkloadsJar)
	}
	closeJars := func() error {
		var problems []error
		for _, jar := range app.Beside {
			problems = append(problems, jar.Close())
		}
		return errors.Join(problems...)
	}
	for _, name := range scenario.Artifacts(a) {
		if path.Ext(name) != ".jar" {
			continue
		}
		jar, err := open(ctx, name)
		if err != nil {
			return app, nil, errors.Join(err, closeJars())
		}
		app.Beside[name] = jar
	}
	return app, closeJars, nil
}

package image

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/sparkchaos/sparkchaos/internal/components"
)

const (
	// SparkOperatorRepository is the name of the image of [SparkOperator] without its tag.
	SparkOperatorRepository = "docker.io/sparkchaos/spark-operator"

	// sparkOperatorFormat changes when the same program is to be packed otherwise.
	sparkOperatorFormat = "1"
	// sparkOperatorPath is where the program is in the image, as in that of the operator's own project.
	sparkOperatorPath = "usr/bin/spark-operator"
)

// SparkOperator returns the image of kubeflow's spark-operator: that of [Spark], whose spark-submit it calls, with the component
// spark-operator on top. Its tag changes with its content.
func SparkOperator(ctx context.Context, env Env) (Archive, error) {
	if err := env.check(); err != nil {
		return Archive{}, err
	}
	archive, err := env.sparkOperator(ctx)
	if err != nil {
		return Archive{}, fmt.Errorf("image of the spark-operator: %w", err)
	}
	return archive, nil
}

func (e Env) sparkOperator(ctx context.Context) (Archive, error) {
	program, err := components.LocateOnDemand(e.Cache, components.SparkOperator)
	if err != nil {
		return Archive{}, err
	}
	spark, err := Spark(ctx, e)
	if err != nil {
		return Archive{}, err
	}
	base, err := tarball.ImageFromPath(spark.Path, nil)
	if err != nil {
		return Archive{}, fmt.Errorf("image %s in %s: %w", spark.Reference, spark.Path, err)
	}
	layer, err := e.sparkOperatorLayer(ctx, program)
	if err != nil {
		return Archive{}, err
	}
	return e.tagged(ctx, taggedImage{
		kind: "spark-operator", repository: SparkOperatorRepository, version: sparkOperatorFormat, config: sparkOperatorConfig(),
		base: base,
	}, layer)
}

func sparkOperatorConfig() v1.Config {
	config := sparkConfig()
	config.Entrypoint = []string{"/" + sparkOperatorPath}
	return config
}

// sparkOperatorLayer returns the stage of the layer with the program.
func (e Env) sparkOperatorLayer(ctx context.Context, program string) (string, error) {
	key := newStageKey("spark-operator-program")
	key.add("format", sparkOperatorFormat)
	key.add("component", buildOf(program))
	return e.make(ctx, stage{
		kind: "spark-operator-program", key: key.sum(), why: buildOf(program),
		build: func(_ context.Context, dir string) error {
			operator, err := file(sparkOperatorPath, program, 0o755)
			if err != nil {
				return err
			}
			return writeLayer(dir, []entry{operator})
		},
	})
}

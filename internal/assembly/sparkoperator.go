package assembly

import (
	"context"

	"github.com/sparkchaos/sparkchaos/internal/components"
	"github.com/sparkchaos/sparkchaos/internal/image"
	"github.com/sparkchaos/sparkchaos/internal/sparkoperator"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// OperatorOn returns a function that installs kubeflow's spark-operator on a cluster of this machine for a workload that needs it, unless
// somebody did so. On a cluster of somebody else's nothing is installed.
func OperatorOn(cache string, show runner.Progress) runner.OperatorOn {
	return func(ctx context.Context, c cluster.Cluster, w scenario.Workload) (map[string]string, error) {
		nodes, ours := c.(cluster.ImageStore)
		if !ours || w.Launcher != scenario.LauncherSparkApplication {
			return nil, nil
		}
		config, err := c.RESTConfig()
		if err != nil {
			return nil, err
		}
		client, err := sparkoperator.NewClient(config)
		if err != nil {
			return nil, err
		}
		status, err := client.Status(ctx)
		if err != nil || status.Foreign() {
			return nil, err
		}
		if !status.Works() {
			if err := installOperator(ctx, cache, show, client, c, nodes); err != nil {
				return nil, err
			}
			if status, err = client.Status(ctx); err != nil {
				return nil, err
			}
		}
		return map[string]string{sparkoperator.Namespace: status.Version}, nil
	}
}

func installOperator(ctx context.Context, cache string, show runner.Progress, client *sparkoperator.Client, c cluster.Cluster,
	nodes cluster.ImageStore) error {
	chart, err := components.LocateData(cache, components.SparkOperator, "chart")
	if err != nil {
		return err
	}
	archive, err := image.SparkOperator(ctx, showing(ImagesOf(cache), show))
	if err != nil {
		return err
	}
	defer show.Await(sparkoperator.Name, sparkoperator.InstallTimeout, func() string { return "being installed" })()
	if err := cluster.LoadMissing(ctx, c, nodes, archive.Path); err != nil {
		return err
	}
	return client.Install(ctx, sparkoperator.Parts{Chart: chart, Image: archive.Reference})
}

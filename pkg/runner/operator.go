package runner

import (
	"context"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// OperatorOn makes the operator that makes a workload's drivers ready on a cluster, where it can be installed and nobody did so. It stays
// until the cluster is removed. It returns the versions of what it installed, by name; nil if that is nothing.
type OperatorOn func(ctx context.Context, c cluster.Cluster, w scenario.Workload) (map[string]string, error)

// prepareOperator checks before the launch that the cluster can launch the workload, after the operator that it needs is there.
func (r *run) prepareOperator(ctx context.Context) error {
	if r.Options.Operator != nil {
		var err error
		if r.operator, err = r.Options.Operator(ctx, r.cluster, r.Plan.Workload); err != nil {
			return err
		}
	}
	return launcher.Refused(r.client, r.Plan.Workload)
}

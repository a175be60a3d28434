package runner

import (
	"context"

	"github.com/sparkchaos/sparkchaos/pkg/chaosmesh"
)

// ChaosMesh is Chaos Mesh on the cluster of a run.
type ChaosMesh interface {
	// Status looks what there is.
	Status(ctx context.Context) (chaosmesh.Status, error)
	// Install makes it ready; made says whether it was not there before.
	Install(ctx context.Context) (made bool, err error)
	// Uninstall removes what Install made; existed says whether there was anything.
	Uninstall(ctx context.Context) (existed bool, err error)
}

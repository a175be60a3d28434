// Package catalogue composes the families of faults. It is the one place that knows all of them.
package catalogue

import (
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/faults/machine"
	"github.com/sparkchaos/sparkchaos/pkg/faults/nodeobject"
	"github.com/sparkchaos/sparkchaos/pkg/faults/pod"
)

// All returns all faults that sparkchaos has, in the order in which they are explained to a user, with how they are undone.
func All() faults.Catalogue {
	return faults.Catalogue{
		machine.Family(),
		nodeobject.Family(),
		pod.Family(),
		chaosmesh.Family(),
	}
}

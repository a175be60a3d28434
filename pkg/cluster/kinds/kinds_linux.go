package kinds

import (
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
)

// local are the kinds whose clusters are made on this machine.
func local() []cluster.Kind { return []cluster.Kind{embedded.Entry(), kind.Entry()} }

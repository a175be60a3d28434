package kinds

import (
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kind"
)

// Main does the work of a process that an embedded cluster started, if this is one: its machines are processes of the same program.
func Main(args []string) (code int, ok bool) { return embedded.Main(args) }

// local are the kinds whose clusters are made on this machine.
func local() []cluster.Kind { return []cluster.Kind{embedded.Entry(), kind.Entry()} }

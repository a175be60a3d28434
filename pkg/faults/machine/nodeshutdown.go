package machine

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// shutdownPatience is what kubelet may give the node's pods to end, and the node's services after them.
const shutdownPatience = 90 * time.Second

// NodeShutdownArgs are the arguments of nodeShutdown.
type NodeShutdownArgs struct {
	// Node is the node that is shut down.
	Node scenario.NodeSelector `json:"node"`
	// DryRun leaves the node on; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeShutdownArgs) Choose(executors int, pick func(n int) int) {
	a.Node.Choose(executors, pick)
}

func nodeShutdownKind() faults.Kind {
	return faults.Definition[NodeShutdownArgs]{
		Name: "nodeShutdown",
		Doc: "A node is shut down gracefully: kubelet ends its pods within their grace periods, including preStop hooks, then it powers off; " +
			"recovering boots it again.",
		Example: NodeShutdownArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[NodeShutdownArgs](history.EndsPods, history.EndsProcesses, history.SilencesNode),
		Check:   func(a NodeShutdownArgs) []string { return a.Node.Problems("node") },
		ByCloud: func(a NodeShutdownArgs) faults.Fault { return chaosmesh.Stop(a.Node, a.DryRun, shutdownPatience) },
		Build: func(a NodeShutdownArgs) faults.Fault {
			return nodeFault{
				action: cluster.Shutdown, selector: a.Node, words: "shut down", dryRun: a.DryRun, struck: poweredOff, patience: shutdownPatience,
			}
		},
	}.Kind()
}

package machine

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodeIsolateArgs are the arguments of nodeIsolate.
type NodeIsolateArgs struct {
	// Node is the node whose link is cut.
	Node scenario.NodeSelector `json:"node"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeIsolateArgs) Choose(executors int, pick func(n int) int) { a.Node.Choose(executors, pick) }

func nodeIsolateKind() faults.Kind {
	return faults.Definition[NodeIsolateArgs]{
		Name:    "nodeIsolate",
		Doc:     "A node is cut off the network while its containers keep running; recovering lets it rejoin with the same address.",
		Example: NodeIsolateArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[NodeIsolateArgs](history.CutsNetwork, history.SilencesNode),
		Check:   func(a NodeIsolateArgs) []string { return a.Node.Problems("node") },
		Build: func(a NodeIsolateArgs) faults.Fault {
			return nodeFault{action: cluster.Isolate, selector: a.Node, words: "cut the network of", struck: isolated}
		},
	}.Kind()
}

// isolated demands that the node keeps running behind the cut: a node that died is another fault.
func isolated(before, now cluster.Node) string {
	switch {
	case !now.Isolated:
		return fmt.Sprintf("its link is whole: %s", describeNode(now))
	case now.Power != cluster.On || now.Processes == 0:
		return fmt.Sprintf("it should live on behind the cut: %s", describeNode(now))
	case now.BootID != before.BootID:
		return fmt.Sprintf("it was booted meanwhile: boot %s, before %s", orNone(now.BootID), orNone(before.BootID))
	default:
		return ""
	}
}

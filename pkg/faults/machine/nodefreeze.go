package machine

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodeFreezeArgs are the arguments of nodeFreeze.
type NodeFreezeArgs struct {
	// Node is the node whose processes are stopped.
	Node scenario.NodeSelector `json:"node"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodeFreezeArgs) Choose(executors int, pick func(n int) int) { a.Node.Choose(executors, pick) }

func nodeFreezeKind() faults.Kind {
	return faults.Definition[NodeFreezeArgs]{
		Name:    "nodeFreeze",
		Doc:     "All processes of a node stop, including those of its pods; recovering resumes them as if nothing had happened.",
		Example: NodeFreezeArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[NodeFreezeArgs](history.Pauses, history.SilencesNode),
		Check:   func(a NodeFreezeArgs) []string { return a.Node.Problems("node") },
		Build: func(a NodeFreezeArgs) faults.Fault {
			return nodeFault{action: cluster.Freeze, selector: a.Node, words: "freeze", struck: frozen}
		},
	}.Kind()
}

// frozen demands that the processes are still there: ended ones cannot be thawed.
func frozen(before, now cluster.Node) string {
	switch {
	case !now.Frozen:
		return fmt.Sprintf("it is not frozen: %s", describeNode(now))
	case now.Power != cluster.On || now.Processes == 0:
		return fmt.Sprintf("its processes should be there, stopped: %s", describeNode(now))
	case now.BootID != before.BootID:
		return fmt.Sprintf("it was booted meanwhile: boot %s, before %s", orNone(now.BootID), orNone(before.BootID))
	default:
		return ""
	}
}

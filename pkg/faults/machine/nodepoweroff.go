package machine

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodePowerOffArgs are the arguments of nodePowerOff.
type NodePowerOffArgs struct {
	// Node is the node that loses its power.
	Node scenario.NodeSelector `json:"node"`
	// DryRun leaves the power on; for a control that shows that a fault which does not land is noticed.
	DryRun bool `json:"dryRun,omitempty"`
}

// Choose decides what the arguments leave open; see scenario.NodeSelector.
func (a *NodePowerOffArgs) Choose(executors int, pick func(n int) int) {
	a.Node.Choose(executors, pick)
}

func nodePowerOffKind() faults.Kind {
	return faults.Definition[NodePowerOffArgs]{
		Name:    "nodePowerOff",
		Doc:     "A node loses power abruptly, without a message to anyone; its disk is kept; recovering boots it again.",
		Example: NodePowerOffArgs{Node: scenario.NodeSelector{Of: scenario.OfDriver}},
		Effects: faults.Always[NodePowerOffArgs](history.EndsProcesses, history.SilencesNode),
		Check:   func(a NodePowerOffArgs) []string { return a.Node.Problems("node") },
		Build: func(a NodePowerOffArgs) faults.Fault {
			return nodeFault{action: cluster.PowerOff, selector: a.Node, words: "cut the power of", dryRun: a.DryRun, struck: poweredOff}
		},
	}.Kind()
}

func poweredOff(before, now cluster.Node) string {
	if now.Power != cluster.Off || now.Processes != 0 {
		return fmt.Sprintf("it is %s with %d processes and boot %s (before: %d processes, boot %s); expected off without any",
			now.Power, now.Processes, orNone(now.BootID), before.Processes, orNone(before.BootID))
	}
	return ""
}

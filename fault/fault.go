// Package fault has the shipped faults, for scenarios of package sparkchaos:
//
//	sparkchaos.Scenario("wordcount").Inject("lose-node", fault.NodePowerOff(fault.NodeOfDriver()), when.ExecutorsRegistered(2))
//
// Their definitions in the packages below pkg/faults describe what each does, as does "sparkchaos schema". Arguments that are rarely given
// are set by functions, the last parameter of each.
package fault

import (
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/faults/chaosmesh"
	"github.com/sparkchaos/sparkchaos/pkg/faults/machine"
	"github.com/sparkchaos/sparkchaos/pkg/faults/nodeobject"
	"github.com/sparkchaos/sparkchaos/pkg/faults/pod"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// Node and Pod say which node or pod a fault is injected into.
type (
	Node = scenario.NodeSelector
	Pod  = scenario.PodSelector
)

// Of returns a fault of the catalogue, or one of one's own, with a pointer to its arguments.
func Of[A any](name string, args A, more ...func(*A)) scenario.Choice {
	for _, change := range more {
		change(&args)
	}
	return scenario.Choice{Name: name, Args: &args}
}

// NodePowerOff switches a node off, and on again.
func NodePowerOff(node Node, more ...func(*machine.NodePowerOffArgs)) scenario.Choice {
	return Of("nodePowerOff", machine.NodePowerOffArgs{Node: node}, more...)
}

// NodeShutdown shuts a node down in order.
func NodeShutdown(node Node, more ...func(*machine.NodeShutdownArgs)) scenario.Choice {
	return Of("nodeShutdown", machine.NodeShutdownArgs{Node: node}, more...)
}

// NodeIsolate cuts a node off from the network.
func NodeIsolate(node Node, more ...func(*machine.NodeIsolateArgs)) scenario.Choice {
	return Of("nodeIsolate", machine.NodeIsolateArgs{Node: node}, more...)
}

// NodeFreeze stops all processes of a node.
func NodeFreeze(node Node, more ...func(*machine.NodeFreezeArgs)) scenario.Choice {
	return Of("nodeFreeze", machine.NodeFreezeArgs{Node: node}, more...)
}

// NodeOutOfService taints the node that another fault of the scenario switched off as being out of service.
func NodeOutOfService(struckBy string, more ...func(*nodeobject.NodeOutOfServiceArgs)) scenario.Choice {
	return Of("nodeOutOfService", nodeobject.NodeOutOfServiceArgs{StruckBy: struckBy}, more...)
}

// NodeCordon cordons a node.
func NodeCordon(node Node, more ...func(*nodeobject.NodeCordonArgs)) scenario.Choice {
	return Of("nodeCordon", nodeobject.NodeCordonArgs{Node: node}, more...)
}

// NodeDrain cordons a node and evicts the run's pods from it.
func NodeDrain(node Node, more ...func(*nodeobject.NodeDrainArgs)) scenario.Choice {
	return Of("nodeDrain", nodeobject.NodeDrainArgs{Node: node}, more...)
}

// NodeTaint taints a node. effect is NoSchedule or NoExecute.
func NodeTaint(node Node, key, effect string, more ...func(*nodeobject.NodeTaintArgs)) scenario.Choice {
	return Of("nodeTaint", nodeobject.NodeTaintArgs{Node: node, Key: key, Effect: effect}, more...)
}

// PodKill deletes a pod.
func PodKill(p Pod, more ...func(*pod.PodKillArgs)) scenario.Choice {
	return Of("podKill", pod.PodKillArgs{Pod: p}, more...)
}

// PodEvict evicts a pod.
func PodEvict(p Pod, more ...func(*pod.PodEvictArgs)) scenario.Choice {
	return Of("podEvict", pod.PodEvictArgs{Pod: p}, more...)
}

// PodFailure replaces what runs in a pod by something that does nothing.
func PodFailure(p Pod, more ...func(*chaosmesh.PodFailureArgs)) scenario.Choice {
	return Of("podFailure", chaosmesh.PodFailureArgs{Pod: p}, more...)
}

// ContainerKill kills the containers of a pod.
func ContainerKill(p Pod, more ...func(*chaosmesh.ContainerKillArgs)) scenario.Choice {
	return Of("containerKill", chaosmesh.ContainerKillArgs{Pod: p}, more...)
}

// NetworkPartition cuts the network between two pods.
func NetworkPartition(p, from Pod, more ...func(*chaosmesh.NetworkPartitionArgs)) scenario.Choice {
	return Of("networkPartition", chaosmesh.NetworkPartitionArgs{Pod: p, From: from}, more...)
}

// NetworkDelay delays packets between two pods.
func NetworkDelay(p, from Pod, latency time.Duration, more ...func(*chaosmesh.NetworkDelayArgs)) scenario.Choice {
	return Of("networkDelay", chaosmesh.NetworkDelayArgs{Pod: p, From: from, Latency: scenario.Duration(latency)}, more...)
}

// NetworkLoss drops so many of a hundred packets between two pods.
func NetworkLoss(p, from Pod, percent int, more ...func(*chaosmesh.NetworkLossArgs)) scenario.Choice {
	return Of("networkLoss", chaosmesh.NetworkLossArgs{Pod: p, From: from, Percent: percent}, more...)
}

// Bandwidth limits what a pod sends, such as to "1mbit".
func Bandwidth(p Pod, rate string, more ...func(*chaosmesh.BandwidthArgs)) scenario.Choice {
	return Of("bandwidth", chaosmesh.BandwidthArgs{Pod: p, Rate: rate}, more...)
}

// ClockSkew sets the clock that the processes of a pod see ahead, or back if by is negative.
func ClockSkew(p Pod, by time.Duration, more ...func(*chaosmesh.ClockSkewArgs)) scenario.Choice {
	args := chaosmesh.ClockSkewArgs{Pod: p, Ahead: scenario.Duration(by)}
	if by < 0 {
		args.Ahead, args.Behind = 0, scenario.Duration(-by)
	}
	return Of("clockSkew", args, more...)
}

// CPUStress has so many processes in a pod use all CPU that they get.
func CPUStress(p Pod, workers int, more ...func(*chaosmesh.CPUStressArgs)) scenario.Choice {
	return Of("cpuStress", chaosmesh.CPUStressArgs{Pod: p, Workers: workers}, more...)
}

// MemoryStress has a process in a pod use memory, such as "256MB".
func MemoryStress(p Pod, size string, more ...func(*chaosmesh.MemoryStressArgs)) scenario.Choice {
	return Of("memoryStress", chaosmesh.MemoryStressArgs{Pod: p, Size: size}, more...)
}

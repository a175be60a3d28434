package fault

import "github.com/sparkchaos/sparkchaos/pkg/scenario"

// NodeOfDriver is the node on which the driver runs when the fault is injected.
func NodeOfDriver() Node { return Node{Of: scenario.OfDriver} }

// NodeOfExecutor is the node of an executor, counted from 0 in the order of executor ids.
func NodeOfExecutor(index int) Node { return Node{Of: scenario.OfExecutor, Index: &index} }

// NodeOfAnyExecutor is the node of an executor that the seed chooses.
func NodeOfAnyExecutor() Node { return Node{Of: scenario.OfExecutor} }

// NodeOf is the node of the first pod of a role, such as that of a component: scenario.OfStagingServer.
func NodeOf(role string) Node { return Node{Of: role} }

// NodeNamed is a node by its name.
func NodeNamed(name string) Node { return Node{Name: name} }

// Driver is the driver's pod.
func Driver() Pod { return Pod{Of: scenario.OfDriver} }

// Executor is the pod of an executor, counted from 0 in the order of executor ids.
func Executor(index int) Pod { return Pod{Of: scenario.OfExecutor, Index: &index} }

// AnyExecutor is the pod of an executor that the seed chooses.
func AnyExecutor() Pod { return Pod{Of: scenario.OfExecutor} }

// PodOf is the first pod of a role, such as that of a component: scenario.OfStagingServer.
func PodOf(role string) Pod { return Pod{Of: role} }

// PodNamed is a pod of the run by its name.
func PodNamed(name string) Pod { return Pod{Name: name} }

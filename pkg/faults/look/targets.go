// Package look finds the targets of faults and looks at nodes and pods, for all families alike.
package look

import (
	"fmt"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// NodeOf finds the name of the node that a selector means now.
func NodeOf(targets faults.Targets, selector scenario.NodeSelector) (string, error) {
	if selector.Name != "" {
		return selector.Name, nil
	}
	if selector.Without == "" {
		pod, err := roleOf(targets, selector.Of, selector.Index, "")
		return pod.Node, err
	}
	driver, err := liveDriver(targets)
	if err != nil {
		return "", err
	}
	pod, err := roleOf(targets, selector.Of, selector.Index, driver.Node)
	return pod.Node, err
}

// podOf finds the pod that a selector without a name means now.
func podOf(targets faults.Targets, selector scenario.PodSelector) (faults.Pod, error) {
	if selector.Beside == "" {
		return roleOf(targets, selector.Of, selector.Index, "")
	}
	neighbour, err := roleOf(targets, selector.Beside, selector.Index, "")
	if err != nil {
		return faults.Pod{}, err
	}
	return liveComponent(targets, selector.Of, neighbour.Node)
}

// roleOf finds the live pod of a role. Executors on the node spared are not counted.
func roleOf(targets faults.Targets, of string, index *int, spared string) (faults.Pod, error) {
	switch of {
	case scenario.OfDriver:
		return liveDriver(targets)
	case scenario.OfExecutor:
		return liveExecutor(targets, index, spared)
	default:
		return liveComponent(targets, of, "")
	}
}

// liveComponent finds the first live pod of a component beside the application, on one node if it is given.
func liveComponent(targets faults.Targets, of, node string) (faults.Pod, error) {
	pods, err := targets.Component(of)
	if err != nil {
		return faults.Pod{}, fmt.Errorf("find the %s: %w", of, err)
	}
	var seen []string
	for _, pod := range pods {
		if node == "" || pod.Node == node {
			return placed(pod)
		}
		seen = append(seen, fmt.Sprintf("%s on %s", pod.Name, pod.Node))
	}
	if node == "" {
		return faults.Pod{}, fmt.Errorf("no pod of the %s runs: does the scenario's workload have one?", of)
	}
	return faults.Pod{}, fmt.Errorf("no pod of the %s runs on node %s: live ones are %v", of, node, seen)
}

func liveExecutor(targets faults.Targets, index *int, spared string) (faults.Pod, error) {
	if index == nil {
		return faults.Pod{}, fmt.Errorf("no executor was chosen: the plan has to say which (index)")
	}
	executors, err := targets.Executors()
	if err != nil {
		return faults.Pod{}, fmt.Errorf("find the executors: %w", err)
	}
	var counted, seen []string
	for _, executor := range executors {
		seen = append(seen, fmt.Sprintf("%s on %s", executor.Name, executor.Node))
		if spared != "" && executor.Node == spared {
			continue
		}
		if len(counted) == *index {
			return placed(executor)
		}
		counted = append(counted, executor.Name)
	}
	if spared != "" {
		return faults.Pod{}, fmt.Errorf("no executor number %d (counted from 0) off the driver's node %s: live executors are %v", *index, spared,
			seen)
	}
	return faults.Pod{}, fmt.Errorf("no executor number %d (counted from 0): live executors are %v", *index, seen)
}

func liveDriver(targets faults.Targets) (faults.Pod, error) {
	driver, err := targets.Driver()
	if err != nil {
		return faults.Pod{}, fmt.Errorf("find the driver: %w", err)
	}
	return placed(driver)
}

func placed(pod faults.Pod) (faults.Pod, error) {
	if pod.Node == "" {
		return faults.Pod{}, fmt.Errorf("pod %s/%s is on no node yet: anchor the fault to a moment at which it runs", pod.Namespace, pod.Name)
	}
	return pod, nil
}

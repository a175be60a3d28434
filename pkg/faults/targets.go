package faults

import (
	"context"
	"fmt"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// resolveNode finds the name of the node that a selector means now.
func resolveNode(targets Targets, selector scenario.NodeSelector) (string, error) {
	if selector.Name != "" {
		return selector.Name, nil
	}
	if selector.Without == "" {
		pod, err := resolveRole(targets, selector.Of, selector.Index, "")
		return pod.Node, err
	}
	driver, err := liveDriver(targets)
	if err != nil {
		return "", err
	}
	pod, err := resolveRole(targets, selector.Of, selector.Index, driver.Node)
	return pod.Node, err
}

// resolveRole finds the live pod of a role. Executors on the node spared are not counted.
func resolveRole(targets Targets, of string, index *int, spared string) (Pod, error) {
	if of == scenario.OfDriver {
		return liveDriver(targets)
	}
	if index == nil {
		return Pod{}, fmt.Errorf("no executor was chosen: the plan has to say which (index)")
	}
	executors, err := targets.Executors()
	if err != nil {
		return Pod{}, fmt.Errorf("find the executors: %w", err)
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
		return Pod{}, fmt.Errorf("no executor number %d (counted from 0) off the driver's node %s: live executors are %v", *index, spared, seen)
	}
	return Pod{}, fmt.Errorf("no executor number %d (counted from 0): live executors are %v", *index, seen)
}

func liveDriver(targets Targets) (Pod, error) {
	driver, err := targets.Driver()
	if err != nil {
		return Pod{}, fmt.Errorf("find the driver: %w", err)
	}
	return placed(driver)
}

func placed(pod Pod) (Pod, error) {
	if pod.Node == "" {
		return Pod{}, fmt.Errorf("pod %s/%s is on no node yet: anchor the fault to a moment at which it runs", pod.Namespace, pod.Name)
	}
	return pod, nil
}

// until looks again and again until check says that it is done or fails for good, and returns the last trouble when
// the context ends first.
func until(ctx context.Context, every time.Duration, check func(context.Context) (done bool, trouble error, fatal error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		done, trouble, fatal := check(ctx)
		if fatal != nil || done {
			return fatal
		}
		select {
		case <-ctx.Done():
			if trouble == nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w (gave up: %w)", trouble, ctx.Err())
		case <-ticker.C:
		}
	}
}

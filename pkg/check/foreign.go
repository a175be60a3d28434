package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// nearby is how long before its cause is told a disturbance may be seen: the two are reported by different ways.
const nearby = 2 * time.Second

// foreign returns the disturbances after the launch that no fault of the run explains: a node that was lost, booted or tainted, a pod of
// the application that Kubernetes took away, a Job that was deleted. Somebody else works on the cluster, or it is not well: what comes of
// that says nothing about the faults.
func foreign(m *model.Model, plan plan) []string {
	if m.Launched.Never() || plan.watched { // it is watched for that
		return nil
	}
	var why []string
	add := func(at model.Moment, format string, args ...any) {
		why = append(why, fmt.Sprintf("at %s ", wording.Duration(m.Offset(at)))+fmt.Sprintf(format, args...)+", which no fault explains")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Nodes)) {
		node := m.Nodes[name]
		for i, change := range node.Changes {
			lost := i > 0 && change.Status != "True" && node.Changes[i-1].Status == "True"
			if lost && !lostBy(m, node, i) && !unheard(m, node, i) {
				add(change.At, "node %s was not Ready any more (%s)", name, change.Status)
			}
		}
		for _, mark := range node.Marks {
			if !disturbedBy(m, name, "", mark.At, anyFault) {
				add(mark.At, "node %s %s", name, mark.What)
			}
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
		pod := m.Pods[uid]
		if m.Belongs(pod) && pod.Disrupted != "" && !disturbedBy(m, pod.Node, pod.UID, pod.DisruptedAt, anyFault) {
			add(pod.DisruptedAt, "pod %s on node %s was taken away (%s)", pod.Name, pod.Node, pod.Disrupted)
		}
	}
	if job := m.Job(); !job.Deleted.Never() {
		add(job.Deleted, "the driver's %s was deleted", m.Workload.DriverKind)
	}
	return why
}

// settling is how long after the API server was away Kubernetes may still take nodes for silent that only could not reach it.
const settling = 30 * time.Second

// unheard reports whether a node was taken for silent only because the API server was away, which the record has as a time in which nodes
// were not seen: it was Unknown for a while, at most, and Ready again soon after.
func unheard(m *model.Model, node *model.Node, change int) bool {
	lost := node.Changes[change]
	if lost.Status != "Unknown" || change+1 >= len(node.Changes) {
		return false
	}
	back := node.Changes[change+1]
	if back.Status != "True" || back.At.At.Sub(lost.At.At) > settling {
		return false
	}
	return len(m.Blind(lost.At.At.Add(-settling), lost.At.At.Add(nearby), "Node", "Lease")) > 0
}

// lostBy reports whether a fault explains that a node was lost: one that may silence it, or that takes its object away. When the node was
// Ready again for a while after the fault was undone, that is over.
func lostBy(m *model.Model, node *model.Node, change int) bool {
	lost := node.Changes[change]
	return disturbedBy(m, node.Name, "", lost.At, func(f *model.Fault) bool {
		if lost.Status != "Deleted" && !f.MaySilence() {
			return false
		}
		if !f.Undone() {
			return true
		}
		back := f.Recovered
		for _, earlier := range node.Changes[:change] {
			if earlier.Status == "True" && earlier.At.At.After(back.At) {
				back = earlier.At
				break
			}
		}
		return !lost.At.At.After(back.At.Add(restless))
	})
}

// restless is how long after a node came back from a fault it may be lost once more because of it: kubelets that boot report late.
const restless = time.Minute

// anyFault takes each fault for one that may explain what happened.
func anyFault(*model.Fault) bool { return true }

// disturbedBy reports whether a fault that was aimed at a node, or at a pod, explains what happened to it at a moment. Before the launch
// everything is as the run found it. What a fault did may show long after it was undone, so only its begin counts.
func disturbedBy(m *model.Model, node, uid string, at model.Moment, may func(*model.Fault) bool) bool {
	if at.At.Before(m.Launched.At) {
		return true
	}
	return slices.ContainsFunc(m.Faults, func(f *model.Fault) bool {
		begun := f.Injecting
		if begun.Never() || !f.Began.Never() && f.Began.Before(begun) {
			begun = f.Began
		}
		if begun.Never() || begun.At.After(at.At.Add(nearby)) || !may(f) {
			return false
		}
		for _, target := range f.Named {
			if target.Kind == "Node" && target.Name == node || target.UID != "" && target.UID == uid {
				return true
			}
		}
		return false
	})
}

package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// nearby is how long before its cause is told a disturbance may be seen: the two are told by different ways.
const nearby = 2 * time.Second

// foreign returns the disturbances after the launch that no fault of the run explains: a node that was lost, booted or tainted, a pod of the
// application that Kubernetes took away, a Job that was deleted. Somebody else works on the cluster, or it is not well: what comes of that says nothing about the faults.
func foreign(m *model.Model) []string {
	if m.Launched.Never() {
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
			if lost && !disturbedBy(m, name, "", change.At) && !unheard(m, node, i) {
				add(change.At, "node %s was not Ready any more (%s)", name, change.Status)
			}
		}
		for _, mark := range node.Marks {
			if !disturbedBy(m, name, "", mark.At) {
				add(mark.At, "node %s %s", name, mark.What)
			}
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Pods)) {
		pod := m.Pods[uid]
		if m.Belongs(pod) && pod.Disrupted != "" && !disturbedBy(m, pod.Node, pod.UID, pod.DisruptedAt) {
			add(pod.DisruptedAt, "pod %s on node %s was taken away (%s)", pod.Name, pod.Node, pod.Disrupted)
		}
	}
	if job := m.Job(); !job.Deleted.Never() {
		add(job.Deleted, "the driver's Job was deleted")
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

// disturbedBy reports whether a fault that was aimed at a node, or at a pod, explains what happened to it at a moment. Before the launch
// everything is as the run found it. What a fault did may show long after it was undone, so only its begin counts.
func disturbedBy(m *model.Model, node, uid string, at model.Moment) bool {
	if at.At.Before(m.Launched.At) {
		return true
	}
	return slices.ContainsFunc(m.Faults, func(f *model.Fault) bool {
		begun := f.Injecting
		if begun.Never() || !f.Began.Never() && f.Began.Before(begun) {
			begun = f.Began
		}
		if begun.Never() || begun.At.After(at.At.Add(nearby)) {
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

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// The moments at which the state of the nodes is recorded.
const (
	beforeTheRun = "before"
	afterTheRun  = "after"
)

// The states of a machine.
const (
	machineRunning        = "running"
	machineOff            = "off"
	machineFrozen         = "frozen"
	machineIsolated       = "isolated"
	machineKubeletStopped = "kubeletStopped"
)

// readyPatience is how long a node of a cluster that was there already may take to be Ready.
const readyPatience = 30 * time.Second

// workers are the nodes of a cluster as Kubernetes and the cluster know them.
type workers struct {
	states   []history.NodeState
	machines []string            // the names of those that the cluster knows
	marked   map[string][]string // by the node's name, the annotations that say what of a fault is to be undone
}

// lookAtNodes returns the state of all nodes that Kubernetes or the cluster knows, sorted by name.
func (r *run) lookAtNodes(ctx context.Context) (workers, error) {
	machines, err := r.cluster.Nodes(ctx)
	if err != nil {
		return workers{}, fmt.Errorf("look at the machines of cluster %s: %w", r.cluster.Name(), err)
	}
	objects, err := r.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return workers{}, fmt.Errorf("look at the nodes of cluster %s: %w", r.cluster.Name(), err)
	}
	found := workers{marked: map[string][]string{}}
	for _, object := range objects.Items {
		found.states = append(found.states, nodeState(object))
		found.marked[object.Name] = r.Own.undos().MarksOn(&object)
	}
	for _, machine := range machines {
		found.machines = append(found.machines, machine.Name)
		i := slices.IndexFunc(found.states, func(s history.NodeState) bool { return s.Name == machine.Name })
		if i < 0 { // it never joined, or somebody deleted its object
			found.states = append(found.states, history.NodeState{Name: machine.Name})
			i = len(found.states) - 1
		}
		state := &found.states[i]
		state.Machine, state.Disturbed = machineState(machine), machine.Disturbed()
		state.BootID = cmp.Or(state.BootID, machine.BootID)
	}
	slices.SortFunc(found.states, func(a, b history.NodeState) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

func nodeState(object corev1.Node) history.NodeState {
	state := history.NodeState{
		Name: object.Name, UID: string(object.UID), BootID: object.Status.NodeInfo.BootID,
		Ready: cluster.NodeReady(object), Unschedulable: object.Spec.Unschedulable,
	}
	for _, taint := range object.Spec.Taints {
		state.Taints = append(state.Taints, taint.ToString())
	}
	return state
}

// machineState returns the word that says most about a machine's state.
func machineState(machine cluster.Node) string {
	switch {
	case machine.Power != cluster.On:
		return machineOff
	case machine.Frozen:
		return machineFrozen
	case machine.Isolated:
		return machineIsolated
	case !machine.Kubelet:
		return machineKubeletStopped
	default:
		return machineRunning
	}
}

// remedy returns the action that ends a machine's state; empty if the state needs none.
func remedy(machine string) cluster.Action {
	switch machine {
	case machineOff:
		return cluster.PowerOn
	case machineFrozen:
		return cluster.Thaw
	case machineIsolated:
		return cluster.Rejoin
	case machineKubeletStopped:
		return cluster.KubeletStart
	default:
		return ""
	}
}

// observeBefore records the state of the nodes before anything of the run is there, and refuses a cluster that was there
// already and is not well: what is wrong with it would be taken for what the run did.
func (r *run) observeBefore(ctx context.Context) error {
	found, err := r.lookAtNodes(ctx)
	if err != nil {
		return err
	}
	if !r.made {
		if found, err = r.awaitReadyNodes(ctx, found); err != nil {
			return err
		}
	}
	r.before = found.states
	if err := r.tell(history.ClusterObserved, history.ClusterData{When: beforeTheRun, Nodes: found.states}); err != nil {
		return err
	}
	if r.made {
		return nil
	}
	return r.unhealthy(found)
}

// awaitReadyNodes looks again for a while if nothing is wrong but that nodes are not Ready: they may just have been booted.
func (r *run) awaitReadyNodes(ctx context.Context, found workers) (workers, error) {
	if found.booting() == "" {
		return found, nil
	}
	var trouble error
	_ = r.until(ctx, "nodes to be Ready", readyPatience, func(ctx context.Context) await.Result {
		seen, err := r.lookAtNodes(ctx)
		if ctx.Err() != nil { // the time is up: what was seen last counts
			return await.NotYet(err)
		}
		if trouble = err; err != nil {
			return await.NotYet(err)
		}
		found = seen
		if node := found.booting(); node != "" {
			return await.NotYet(fmt.Errorf("node %s is not Ready", node))
		}
		return await.Done()
	})
	return found, trouble
}

// booting returns the name of a node that is not Ready though its machine runs; empty if there is none.
func (w workers) booting() string {
	i := slices.IndexFunc(w.states, func(s history.NodeState) bool { return s.Machine == machineRunning && !s.Ready })
	if i < 0 {
		return ""
	}
	return w.states[i].Name
}

// unhealthy returns what is wrong with the cluster's nodes and how to fix it.
func (r *run) unhealthy(found workers) error {
	var problems []string
	for _, state := range found.states {
		if !slices.Contains(found.machines, state.Name) {
			continue // a control plane, or a node that the run has no part in
		}
		if action := remedy(state.Machine); action != "" {
			problems = append(problems, fmt.Sprintf("node %s is %s: `%s`", state.Name, state.Machine, r.nodeCommand(action, state.Name)))
		} else if !state.Ready {
			problems = append(problems, fmt.Sprintf("node %s is not Ready, though its machine runs: wait until it is, or recreate the cluster",
				state.Name))
		}
		for _, annotation := range found.marked[state.Name] {
			problems = append(problems, fmt.Sprintf("node %s still has what a fault of another run did to it (annotation %s): `sparkchaos cleanup`",
				state.Name, annotation))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("cluster %s is not healthy, so nothing was started: %s", r.cluster.Name(), strings.Join(problems, "; "))
}

// nodeCommand is the command line by which a user acts on a node of this cluster.
func (r *run) nodeCommand(action cluster.Action, node string) string {
	flags := fmt.Sprintf("--cluster %s --name %s", r.Clusters.Kind(), r.ClusterName)
	if _, shared := r.cluster.(cluster.Shared); shared {
		flags = strings.Join(r.Flags, " ")
	}
	return strings.TrimSpace(fmt.Sprintf("sparkchaos cluster node %s %s %s", action, node, flags))
}

// observeAfter records the state of the nodes when all faults are undone, before anything of the run is removed.
func (r *run) observeAfter(ctx context.Context) {
	if r.client == nil || r.before == nil || r.log.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookAtRecord)
	defer cancel()
	found, err := r.lookAtNodes(ctx)
	if err != nil {
		r.problem("look at the nodes after the run", err)
		return
	}
	// an error that prevents the write is reported by end
	_ = r.tell(history.ClusterObserved, history.ClusterData{When: afterTheRun, Nodes: found.states})
}

// nodesLeft returns the machines that the run left disturbed. What was so before the run is not its own.
func (r *run) nodesLeft(ctx context.Context) ([]history.Object, error) {
	nodes, err := r.cluster.Nodes(ctx)
	var found []history.Object
	errs := []error{err}
	for _, node := range nodes {
		if !node.Disturbed() {
			continue
		}
		if r.before == nil && !r.made {
			errs = append(errs, fmt.Errorf("node %s is %s, and it is not known whether it was before the run", node.Name, machineState(node)))
			continue
		}
		same := slices.ContainsFunc(r.before, func(s history.NodeState) bool {
			return s.Name == node.Name && s.Machine == machineState(node)
		})
		if !same {
			found = append(found, history.Object{Kind: "Node", Name: node.Name})
		}
	}
	return found, errors.Join(errs...)
}

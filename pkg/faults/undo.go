package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// nodesView is how observations name where a node's state as a machine was read.
const nodesView = "the cluster's view of its machines"

// Undo brings back what the record's fault did, whether it struck, struck in part, not at all, or was undone already.
// The evidence says what was found and done; the record stays open (see UndoPending).
//
// The client and chaos are needed for what was done to the API; without them such a record stays open, and the error says so.
func Undo(ctx context.Context, machines Machines, client kubernetes.Interface, chaos Chaos, record Record) (cluster.Evidence, error) {
	if record.Target.undoable() && record.Cluster != machines.Name() {
		return cluster.Evidence{}, fmt.Errorf("undo fault %s of run %s: it was done to cluster %s, not to %s", record.Fault, record.Run, record.Cluster, machines.Name())
	}
	evidence, err := undo(ctx, machines, client, chaos, record)
	if err != nil {
		return evidence, fmt.Errorf("undo fault %s of run %s: %w", record.Fault, record.Run, err)
	}
	return evidence, nil
}

func undo(ctx context.Context, machines Machines, client kubernetes.Interface, chaos Chaos, record Record) (cluster.Evidence, error) {
	target := record.Target
	switch {
	case target.Chaos != nil:
		evidence, _, err := deleteChaos(ctx, chaos, target)
		return evidence, err
	case !target.onObject():
		return restore(ctx, machines, target, nil)
	case client == nil:
		return cluster.Evidence{}, fmt.Errorf("%s node %s: the API alone can do that, and it cannot be reached", record.mark().undoing(), target.Node)
	default:
		return restoreNode(ctx, client, target, record.mark())
	}
}

// LookAt looks at what the fault of an open record struck. An error says that whoever knows of it did not answer, so that nobody can say
// whether the fault is still in effect.
func LookAt(ctx context.Context, machines Machines, client kubernetes.Interface, chaos Chaos, record Record) error {
	if err := lookAt(ctx, machines, client, chaos, record.Target); err != nil {
		return fmt.Errorf("look at what fault %s struck: %w", record.Fault, err)
	}
	return nil
}

func lookAt(ctx context.Context, machines Machines, client kubernetes.Interface, chaos Chaos, target Target) error {
	if target.Action != "" {
		nodes, err := machines.Nodes(ctx)
		if err != nil {
			return err
		}
		disturbed := func(n cluster.Node) bool {
			return n.Name == target.Node && n.Disturbed()
		}
		if slices.ContainsFunc(nodes, disturbed) {
			return nil
		}
	}
	if target.Chaos != nil && chaos == nil || client == nil {
		return errors.New("the API cannot be reached")
	}
	if target.Chaos != nil {
		if _, err := chaos.State(ctx, target.Chaos.Resource); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	// The rest of every fault shows in the API: whether the node is Ready again, how it is marked, whether a pod still ends.
	if _, err := getNode(ctx, client, target.Node); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}

// Undone is one record that UndoPending dealt with.
type Undone struct {
	Record   Record
	Evidence cluster.Evidence
	Err      error // nil: undone and closed
}

// UndoPending undoes all open records of a journal's directory, the latest first, and closes those that succeeded.
// One that fails does not stop the others. The error joins all failures and the records that cannot be read.
//
// What was done to machines is undone before resources of Chaos Mesh are deleted: a node that is off keeps them from going.
func UndoPending(ctx context.Context, machines Machines, client kubernetes.Interface, chaos Chaos, dir string) ([]Undone, error) {
	records, unreadable := Pending(dir)
	all, err := undoAll(ctx, machines, client, chaos, records, func(r Record) error { return Done(dir, r.ID) })
	return all, errors.Join(unreadable, err)
}

// UndoEncoded undoes the records that a Store kept, by their IDs, as UndoPending does. Which of them are to be forgotten is told by what
// it returns.
func UndoEncoded(ctx context.Context, machines Machines, client kubernetes.Interface, chaos Chaos, encoded map[string][]byte) ([]Undone, error) {
	var records []Record
	var unreadable []error
	for _, id := range slices.Sorted(maps.Keys(encoded)) {
		record, err := decodeRecord(encoded[id])
		if err != nil {
			unreadable = append(unreadable, &DamagedRecordError{Path: id + " in the cluster", Err: err})
			continue
		}
		record.Cluster = machines.Name() // in which it was found; another machine may have another name for it
		records = append(records, record)
	}
	all, err := undoAll(ctx, machines, client, chaos, records, func(Record) error { return nil })
	return all, errors.Join(errors.Join(unreadable...), err)
}

func undoAll(ctx context.Context, machines Machines, client kubernetes.Interface, chaos Chaos, records []Record, closing func(Record) error) ([]Undone, error) {
	slices.Reverse(records)
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.Target.rank(), b.Target.rank()) })
	var all []Undone
	var problems []error
	for _, record := range records {
		evidence, err := Undo(ctx, machines, client, chaos, record)
		if err == nil {
			err = closing(record)
		}
		all = append(all, Undone{Record: record, Evidence: evidence, Err: err})
		problems = append(problems, err)
	}
	return all, errors.Join(problems...)
}

// restore ends the effect of the target's action on its node. Effects that others hold are left alone.
func restore(ctx context.Context, machines Machines, target Target, others []Record) (cluster.Evidence, error) {
	if target.Action == "" {
		return cluster.Evidence{Begun: time.Now()}, nil
	}
	undo, ok := target.Action.Undo()
	if !ok {
		return cluster.Evidence{}, fmt.Errorf("node %s: %s has no undoing", target.Node, target.Action)
	}
	work := restoration{machines: machines, target: target, evidence: cluster.Evidence{Action: undo, Node: target.Node, Begun: time.Now()}}
	node, err := work.look(ctx)
	if err != nil {
		return work.evidence, err
	}
	switch {
	case target.Action.InEffect(node):
		err = work.undo(ctx, undo, target.Action)
	case target.Action == cluster.PowerOff:
		err = work.endHalfPowerOff(ctx, node, others)
	case target.Action == cluster.Freeze || target.Action == cluster.Isolate:
		// An action that was broken off half-way may show no effect and yet have stopped some processes or cut one
		// of two directions. Undoing it is harmless: what is not so is refused and changes nothing.
		_ = work.do(ctx, undo)
	}
	if err == nil && target.Action == cluster.PowerOff {
		err = work.mendLink(ctx, others)
	}
	if err == nil && len(work.evidence.Observations) == 0 {
		work.observe(fmt.Sprintf("%s is not in effect: nothing to undo", target.Action))
	}
	return work.evidence, err
}

// rank orders what is undone: machines first.
func (t Target) rank() int {
	if t.Chaos != nil {
		return 1
	}
	return 0
}

// restoration is the undoing of one action and the evidence that it gathers.
type restoration struct {
	machines Machines
	target   Target
	evidence cluster.Evidence
}

func (r *restoration) look(ctx context.Context) (cluster.Node, error) {
	return findNode(ctx, r.machines, r.target.Node)
}

func (r *restoration) observe(what string) {
	r.evidence.Observations = append(r.evidence.Observations, cluster.Observation{What: what, How: nodesView, At: time.Now()})
}

func (r *restoration) do(ctx context.Context, action cluster.Action) error {
	evidence, err := r.machines.Do(ctx, action, r.target.Node)
	if err != nil {
		return fmt.Errorf("node %s: %s: %w", r.target.Node, action, err)
	}
	r.evidence.Observations = append(r.evidence.Observations, evidence.Observations...)
	return nil
}

// undo does the action that ends effect. Someone else may have ended it in between; then the failure is none.
func (r *restoration) undo(ctx context.Context, action, effect cluster.Action) error {
	failure := r.do(ctx, action)
	if failure == nil {
		return nil
	}
	node, err := r.look(ctx)
	if err != nil {
		return errors.Join(failure, err)
	}
	if effect.InEffect(node) {
		return failure
	}
	r.observe(fmt.Sprintf("%s is not in effect any more", effect))
	return nil
}

// endHalfPowerOff boots a node whose power-off was broken off by the end of the harness when some of its processes had
// ended already: it is found on, but without its kubelet.
func (r *restoration) endHalfPowerOff(ctx context.Context, node cluster.Node, others []Record) error {
	if before := r.before(); !before.Kubelet || node.Kubelet || holds(others, r.target.Node, cluster.KubeletStop) {
		return nil
	}
	r.observe("the node is on without its kubelet: the power-off was broken off half-way")
	if err := r.do(ctx, cluster.PowerOff); err != nil {
		return err
	}
	return r.do(ctx, cluster.PowerOn)
}

// mendLink gives a node its link back that its power-off cut: the cable goes first, so the harness may have ended
// between the two.
func (r *restoration) mendLink(ctx context.Context, others []Record) error {
	node, err := r.look(ctx)
	if err != nil {
		return err
	}
	if r.before().Isolated || !node.Isolated || holds(others, r.target.Node, cluster.Isolate) {
		return nil
	}
	r.observe("the node is on without a link")
	return r.undo(ctx, cluster.Rejoin, cluster.Isolate)
}

// before is the node as it was, or a healthy one if the record does not say.
func (r *restoration) before() cluster.Node {
	if r.target.Before == nil {
		return cluster.Node{Kubelet: true}
	}
	return *r.target.Before
}

func holds(records []Record, node string, action cluster.Action) bool {
	_, held := holder(records, Target{Node: node, Action: action})
	return held
}

func findNode(ctx context.Context, machines Machines, name string) (cluster.Node, error) {
	nodes, err := machines.Nodes(ctx)
	if err != nil {
		return cluster.Node{}, fmt.Errorf("look at node %s: %w", name, err)
	}
	names := make([]string, 0, len(nodes))
	for _, node := range nodes {
		if node.Name == name {
			return node, nil
		}
		names = append(names, node.Name)
	}
	return cluster.Node{}, fmt.Errorf("cluster %s has no node %s: its workers are %v", machines.Name(), name, names)
}

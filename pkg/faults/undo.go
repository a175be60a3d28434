package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// nodesView is how observations name where a node's state as a machine was read.
const nodesView = "the cluster's view of its machines"

// Cleaner undoes what the undo records of runs that have ended tell of. Much may have happened since: it acts on nothing but the
// cluster and the machines that a record is of, and asks before it does what could hit something else.
type Cleaner struct {
	Machines Machines
	// Cluster is the identity of Machines now; the zero one if it cannot be found out.
	Cluster cluster.Identity
	// Vouched says that a person took the cluster for that of records which do not prove it.
	Vouched bool
	// Client and Chaos are needed for what was done to the API; nil if it cannot be reached. Such a record stays open then.
	Client kubernetes.Interface
	Chaos  Chaos
	// Confirm returns nil if somebody allows what it is asked, and otherwise an error that says how to allow it. A nil
	// Confirm allows nothing.
	Confirm func(question string) error
	// SettleWithin is how long a machine that was booted since the fault struck may take to be well; a minute if zero.
	SettleWithin time.Duration

	booted map[string]bool // machines that this Cleaner switched on
}

// OtherClusterError is an undo record of another cluster than the one that is cleaned up. Nothing was done to either.
type OtherClusterError struct {
	Name  string // of the record's cluster
	Of    cluster.Identity
	Found cluster.Identity
}

// Error tells both and what to do.
func (e *OtherClusterError) Error() string {
	return fmt.Sprintf("it belongs to %s, called %s, but this one is %s: nothing was touched, and the record stays open; clean up by the kubeconfig that reaches that cluster, or delete the record if it is gone for good", e.Of, e.Name, e.Found)
}

// Undo brings back what the record's fault did, whether it struck, struck in part, not at all, or was undone already.
// The evidence says what was found and done; the record stays open (see UndoPending).
func (c *Cleaner) Undo(ctx context.Context, record Record) (cluster.Evidence, error) {
	evidence, err := c.undo(ctx, record)
	if err != nil {
		return evidence, fmt.Errorf("undo fault %s of run %s: %w", record.Fault, record.Run, err)
	}
	return evidence, nil
}

func (c *Cleaner) undo(ctx context.Context, record Record) (cluster.Evidence, error) {
	target := record.Target
	if target.undoable() || target.Chaos != nil {
		if err := c.isOf(record); err != nil {
			return cluster.Evidence{}, err
		}
	}
	switch {
	case target.Chaos != nil:
		evidence, _, err := deleteChaos(ctx, c.Chaos, target)
		return evidence, err
	case !target.onObject():
		return c.restore(ctx, record)
	case c.Client == nil:
		return cluster.Evidence{}, fmt.Errorf("%s node %s: the API alone can do that, and it cannot be reached", record.mark().undoing(), target.Node)
	default:
		return restoreNode(ctx, c.Client, target, record.mark())
	}
}

// isOf returns nil if the record is of the Cleaner's cluster.
func (c *Cleaner) isOf(record Record) error {
	switch record.ClusterID.Compare(c.Cluster) {
	case cluster.Same:
		return nil
	case cluster.Different:
		return &OtherClusterError{Name: record.Cluster, Of: record.ClusterID, Found: c.Cluster}
	}
	if record.Cluster != c.Machines.Name() {
		return fmt.Errorf("it was done to cluster %s, not to %s", record.Cluster, c.Machines.Name())
	}
	if c.Vouched {
		return nil
	}
	return c.confirm(fmt.Sprintf("the fault was done to %s, called %s, and this one, %s, has the same name: nothing proves that they are one. Undo it here?",
		record.ClusterID, record.Cluster, c.Cluster))
}

func (c *Cleaner) confirm(question string) error {
	if c.Confirm == nil {
		return fmt.Errorf("%s Nobody could be asked; nothing was done", question)
	}
	return c.Confirm(question)
}

// restore undoes what was done to a machine, if that is still the machine and the boot that the fault struck.
func (c *Cleaner) restore(ctx context.Context, record Record) (cluster.Evidence, error) {
	target := record.Target
	if target.Action == "" {
		return cluster.Evidence{Begun: time.Now()}, nil
	}
	machine, err := findNode(ctx, c.Machines, target.Node)
	if err != nil {
		return cluster.Evidence{}, err
	}
	node, err := c.node(ctx, target.Node)
	if err != nil {
		return cluster.Evidence{}, err
	}
	if node != nil && target.Object.UID != "" && string(node.UID) != target.Object.UID {
		replaced := &anotherNodeError{node: target.Node, uid: string(node.UID), want: target.Object.UID}
		return cluster.Evidence{}, fmt.Errorf("%w; nothing was done to its machine. If the machine that the fault struck is gone for good, delete the record", replaced)
	}
	if !c.booted[target.Node] {
		if now, was := bootedSince(target, machine, node); now != was {
			return c.leaveAlone(ctx, target, now, was)
		}
		if err := c.struckThen(record, machine, node); err != nil {
			return cluster.Evidence{}, err
		}
	}
	evidence, err := restore(ctx, c.Machines, target, nil, c.confirm)
	if undo, _ := target.Action.Undo(); err == nil && undo == cluster.PowerOn {
		if c.booted == nil {
			c.booted = map[string]bool{}
		}
		// Only what is on again by what was done here: a machine that was not off has its old boot.
		c.booted[target.Node] = target.Action.InEffect(machine) || c.booted[target.Node]
	}
	return evidence, err
}

// node reads the Node of a machine. Without an API that answers it is nil where the machines are known without it.
func (c *Cleaner) node(ctx context.Context, name string) (*corev1.Node, error) {
	if c.Client == nil {
		return nil, nil
	}
	node, err := getNode(ctx, c.Client, name)
	switch {
	case err == nil:
		return node, nil
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%w; nothing was done to its machine. If the machine that the fault struck is gone for good, delete the record", err)
	case c.Cluster.UID != "": // the API told which cluster this is, so it tells which node it is, too
		return nil, err
	default:
		return nil, nil
	}
}

// bootedSince returns two boot IDs that differ if the machine was booted after the fault found it: the one now and the one
// then.
func bootedSince(target Target, machine cluster.Node, node *corev1.Node) (now, was string) {
	if node != nil && target.Boot != "" {
		if now := node.Status.NodeInfo.BootID; now != "" && now != target.Boot {
			return now, target.Boot
		}
	}
	if target.Before != nil && target.Before.BootID != "" && machine.BootID != "" {
		return machine.BootID, target.Before.BootID
	}
	return "", ""
}

// settling is the default of SettleWithin.
const settling = time.Minute

// leaveAlone deals with a machine that somebody booted since the fault struck. What it is now is theirs: if it is well, nothing is
// left to undo.
func (c *Cleaner) leaveAlone(ctx context.Context, target Target, now, was string) (cluster.Evidence, error) {
	undo, _ := target.Action.Undo()
	evidence := cluster.Evidence{Action: undo, Node: target.Node, Begun: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.SettleWithin, settling))
	defer cancel()
	err := await.Until(ctx, lookAgain, func(ctx context.Context) await.Result {
		machine, err := findNode(ctx, c.Machines, target.Node)
		if err != nil {
			return await.NotYet(err)
		}
		if machine.Disturbed() {
			seen := fmt.Errorf("%s, kubelet runs: %t", describeNode(machine), machine.Kubelet)
			if machine.Power == cluster.Off {
				return await.Failed(seen)
			}
			return await.NotYet(seen) // it may be booting
		}
		node, err := c.node(ctx, target.Node)
		if err != nil {
			return await.NotYet(err)
		}
		if node == nil {
			return await.Done()
		}
		if against := notReady(node); against != "" {
			return await.NotYet(errors.New(against))
		}
		return await.Done()
	})
	since := fmt.Sprintf("node %s was booted since the fault found it (boot %s, then %s)", target.Node, was, now)
	if err != nil {
		return evidence, fmt.Errorf("%s, but it is not well: %w; nothing was done to its machine. Bring it back by hand, then clean up again", since, err)
	}
	evidence.Observations = []cluster.Observation{{What: since + " and is well: nothing to undo", How: nodesView, At: time.Now()}}
	return evidence, nil
}

// lookAgain is the time between two looks of a clean-up at one machine.
const lookAgain = 500 * time.Millisecond

// strikingTakes is how long after its record was written a fault may show in the API at most: the command may be slow, and so
// may Kubernetes' notice. The clocks of both may differ, too.
const strikingTakes = 15 * time.Minute

// struckThen asks if the machine was lost long after the fault could have struck it, so that somebody else may have switched it off.
func (c *Cleaner) struckThen(record Record, machine cluster.Node, node *corev1.Node) error {
	if node == nil || record.Written.IsZero() || !record.Target.Action.InEffect(machine) {
		return nil
	}
	for _, condition := range node.Status.Conditions {
		lost := condition.LastTransitionTime.Time
		if condition.Type != corev1.NodeReady || condition.Status == corev1.ConditionTrue || lost.Sub(record.Written) <= strikingTakes {
			continue
		}
		undo, _ := record.Target.Action.Undo()
		return c.confirm(fmt.Sprintf("node %s has not been ready since %s, but the fault began at %s: somebody else may have done that. Is %s to be done to it?",
			node.Name, lost.UTC().Format(time.RFC3339), record.Written.UTC().Format(time.RFC3339), undo))
	}
	return nil
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
func (c *Cleaner) UndoPending(ctx context.Context, dir string) ([]Undone, error) {
	records, unreadable := Pending(dir)
	all, err := c.undoAll(ctx, records, func(r Record) string { return filepath.Join(dir, r.ID+openSuffix) }, func(r Record) error { return Done(dir, r.ID) })
	return all, errors.Join(unreadable, err)
}

// Decode reads the records that a Store kept, by their IDs. Those that cannot be read are DamagedRecordErrors, joined, beside the
// ones that can.
func Decode(encoded map[string][]byte) ([]Record, error) {
	var records []Record
	var unreadable []error
	for _, id := range slices.Sorted(maps.Keys(encoded)) {
		record, err := decodeRecord(encoded[id])
		if err != nil {
			unreadable = append(unreadable, &DamagedRecordError{Path: id + " in the cluster", Err: err})
			continue
		}
		records = append(records, record)
	}
	return records, errors.Join(unreadable...)
}

// UndoStored undoes records that a Store kept in the cluster itself, as UndoPending does. Which of them are to be forgotten is
// told by what it returns.
func (c *Cleaner) UndoStored(ctx context.Context, records []Record) ([]Undone, error) {
	records = slices.Clone(records)
	for i := range records {
		if !records[i].ClusterID.Known() {
			records[i].Cluster = c.Machines.Name() // in which it was found; another machine may have another name for it
		}
	}
	return c.undoAll(ctx, records, func(r Record) string { return r.ID + " in the cluster" }, func(Record) error { return nil })
}

func (c *Cleaner) undoAll(ctx context.Context, records []Record, place func(Record) string, closing func(Record) error) ([]Undone, error) {
	slices.Reverse(records)
	slices.SortStableFunc(records, func(a, b Record) int { return cmp.Compare(a.Target.rank(), b.Target.rank()) })
	var all []Undone
	var problems []error
	for _, record := range records {
		evidence, err := c.Undo(ctx, record)
		if err == nil {
			err = closing(record)
		}
		if err != nil {
			err = fmt.Errorf("%w (undo record %s)", err, place(record))
		}
		all = append(all, Undone{Record: record, Evidence: evidence, Err: err})
		problems = append(problems, err)
	}
	return all, errors.Join(problems...)
}

// cycleUnasked lets the run itself power-cycle what its own fault left half-way a moment ago.
func cycleUnasked(string) error { return nil }

// restore ends the effect of the target's action on its node. Effects that others hold are left alone. mayCycle is asked before a
// machine that is on is switched off and on again.
func restore(ctx context.Context, machines Machines, target Target, others []Record, mayCycle func(question string) error) (cluster.Evidence, error) {
	if target.Action == "" {
		return cluster.Evidence{Begun: time.Now()}, nil
	}
	undo, ok := target.Action.Undo()
	if !ok {
		return cluster.Evidence{}, fmt.Errorf("node %s: %s has no undoing", target.Node, target.Action)
	}
	work := restoration{machines: machines, target: target, mayCycle: mayCycle, evidence: cluster.Evidence{Action: undo, Node: target.Node, Begun: time.Now()}}
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
	mayCycle func(question string) error
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
	question := fmt.Sprintf("node %s is on without its kubelet: its power-off was broken off half-way, or somebody stopped kubelet. Is it to be switched off and on again?", r.target.Node)
	if err := r.mayCycle(question); err != nil {
		return err
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

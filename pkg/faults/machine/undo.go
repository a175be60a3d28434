package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/faults/look"
)

// undo is how an action on a machine is undone, in the undo record.
type undo struct {
	Action cluster.Action `json:"action"`
	// Before is the machine as it was; nil if the record does not say.
	Before *cluster.Node `json:"before,omitempty"`
	// Boot is the boot ID of the machine in the API.
	Boot string `json:"boot,omitempty"`
}

// undoKind undoes an action on a machine by the action that is its counterpart.
func undoKind() faults.UndoKind {
	return faults.UndoKind{Name: faults.UndoMachine, Decode: func(r faults.Record) (faults.Undoing, error) {
		u := undoing{record: r}
		return u, faults.DecodeData(r.Undo.Data, &u.undo)
	}}
}

// undoing undoes the fault of one record on a machine.
type undoing struct {
	undo
	record faults.Record
}

// Validate implements Undoing.
func (u undoing) Validate() error {
	if !slices.Contains(cluster.Actions(), u.Action) {
		return fmt.Errorf("action %q is unknown: expected one of %v", u.Action, cluster.Actions())
	}
	if _, undoable := u.Action.Undo(); !undoable {
		return fmt.Errorf("action %q has no undoing", u.Action)
	}
	return nil
}

// Conflicts implements Undoing: two actions on one machine conflict if the same action undoes them.
func (u undoing) Conflicts(other faults.Undoing) string {
	open, ok := other.(undoing)
	if !ok || open.record.Node != u.record.Node {
		return ""
	}
	mine, _ := u.Action.Undo()
	if theirs, _ := open.Action.Undo(); theirs != mine {
		return ""
	}
	return fmt.Sprintf("node %s (%s)", open.record.Node, open.Action)
}

// Look implements Undoing. A machine that is seen to be disturbed needs no look into the API.
func (u undoing) Look(ctx context.Context, env faults.UndoEnv) error {
	nodes, err := env.Machines.Nodes(ctx)
	if err != nil {
		return err
	}
	disturbed := func(n cluster.Node) bool { return n.Name == u.record.Node && n.Disturbed() }
	if slices.ContainsFunc(nodes, disturbed) {
		return nil
	}
	return faults.LookAtNode(ctx, env.Client, u.record.Node)
}

// Do implements Undoing. When the run is over, it acts only on the machine, and the boot, that the fault was injected into.
func (u undoing) Do(ctx context.Context, env faults.UndoEnv) (faults.Effect, error) {
	if env.Afterwards == nil {
		return u.restore(ctx, env)
	}
	machine, node, err := u.stillThere(ctx, env)
	if err != nil {
		return faults.Effect{}, err
	}
	if !env.Afterwards.Booted[u.record.Node] {
		if now, was := u.bootedSince(machine, node); now != was {
			return u.leaveAlone(ctx, env, now, was)
		}
		if err := u.struckThen(env, machine, node); err != nil {
			return faults.Effect{}, err
		}
	}
	effect, err := u.restore(ctx, env)
	// Only what is on again by what was done here counts as booted: a machine that was not off has its old boot.
	if undo, _ := u.Action.Undo(); err == nil && undo == cluster.PowerOn && u.Action.InEffect(machine) {
		env.Afterwards.Booted[u.record.Node] = true
	}
	return effect, err
}

// stillThere finds the machine and its Node, and refuses another Node of the same name. The Node is nil where the machines are known
// without the API, and it does not answer.
func (u undoing) stillThere(ctx context.Context, env faults.UndoEnv) (cluster.Node, *corev1.Node, error) {
	machine, err := look.Machine(ctx, env.Machines, u.record.Node)
	if err != nil {
		return machine, nil, err
	}
	node, err := u.node(ctx, env)
	if err != nil {
		return machine, nil, err
	}
	if uid := u.record.Object.UID; node != nil && uid != "" && string(node.UID) != uid {
		replaced := &look.AnotherNodeError{Node: u.record.Node, UID: string(node.UID), Want: uid}
		return machine, nil, fmt.Errorf("%w; nothing was done to its machine. If the fault's machine is gone for good, delete the record",
			replaced)
	}
	return machine, node, nil
}

// node reads the Node of a machine. Without an API that answers it is nil where the machines are known without it.
func (u undoing) node(ctx context.Context, env faults.UndoEnv) (*corev1.Node, error) {
	if env.Client == nil {
		return nil, nil
	}
	node, err := look.Node(ctx, env.Client, u.record.Node)
	switch {
	case err == nil:
		return node, nil
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%w; nothing was done to its machine. If the fault's machine is gone for good, delete the record", err)
	case env.Afterwards.Cluster.UID != "": // the API said which cluster this is, so it says which node it is, too
		return nil, err
	default:
		return nil, nil
	}
}

// bootedSince returns two boot IDs that differ if the machine was booted after the fault found it: the one now and the one
// then.
func (u undoing) bootedSince(machine cluster.Node, node *corev1.Node) (now, was string) {
	if node != nil && u.Boot != "" {
		if now := node.Status.NodeInfo.BootID; now != "" && now != u.Boot {
			return now, u.Boot
		}
	}
	if u.Before != nil && u.Before.BootID != "" && machine.BootID != "" {
		return machine.BootID, u.Before.BootID
	}
	return "", ""
}

// leaveAlone deals with a machine that somebody booted since the fault was injected. What it is now is theirs: if it is well, nothing is
// left to undo.
func (u undoing) leaveAlone(ctx context.Context, env faults.UndoEnv, now, was string) (faults.Effect, error) {
	effect := faults.Effect{Began: env.Now()}
	ctx, cancel := context.WithTimeout(ctx, env.Afterwards.SettleWithin)
	defer cancel()
	err := await.Until(ctx, lookAgain, func(ctx context.Context) await.Result { return u.well(ctx, env) })
	since := fmt.Sprintf("node %s was booted since the fault found it (boot %s, then %s)", u.record.Node, was, now)
	if err != nil {
		return effect, fmt.Errorf("%s, but it is not well: %w; nothing was done to its machine. Bring it back by hand, then clean up again",
			since, err)
	}
	effect.Observations = []cluster.Observation{{What: since + " and is well: nothing to undo", How: look.MachinesView, At: env.Now()}}
	return effect, nil
}

// well looks whether the machine is undisturbed, and its Node Ready.
func (u undoing) well(ctx context.Context, env faults.UndoEnv) await.Result {
	machine, err := look.Machine(ctx, env.Machines, u.record.Node)
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
	node, err := u.node(ctx, env)
	if err != nil {
		return await.NotYet(err)
	}
	if node == nil {
		return await.Done()
	}
	if against := look.NotReady(node); against != "" {
		return await.NotYet(errors.New(against))
	}
	return await.Done()
}

// lookAgain is the time between two looks of a clean-up at one machine.
const lookAgain = 500 * time.Millisecond

// strikingTakes is how long after its record was written a fault may show in the API at most: the command may be slow, and so
// may Kubernetes' notice. The clocks of both may differ, too.
const strikingTakes = 15 * time.Minute

// struckThen asks if the machine was lost long after the fault could have taken effect, so that somebody else may have switched it off.
func (u undoing) struckThen(env faults.UndoEnv, machine cluster.Node, node *corev1.Node) error {
	if node == nil || u.record.Written.IsZero() || !u.Action.InEffect(machine) {
		return nil
	}
	for _, condition := range node.Status.Conditions {
		lost := condition.LastTransitionTime.Time
		if condition.Type != corev1.NodeReady || condition.Status == corev1.ConditionTrue || lost.Sub(u.record.Written) <= strikingTakes {
			continue
		}
		undo, _ := u.Action.Undo()
		return env.Confirm(fmt.Sprintf(
			"node %s has not been ready since %s, but the fault began at %s: somebody else may have done that. Is %s to be done to it?",
			node.Name, lost.UTC().Format(time.RFC3339), u.record.Written.UTC().Format(time.RFC3339), undo))
	}
	return nil
}

// restore ends the effect of the action on the machine. Effects that others hold are left alone.
func (u undoing) restore(ctx context.Context, env faults.UndoEnv) (faults.Effect, error) {
	undo, ok := u.Action.Undo()
	if !ok {
		return faults.Effect{}, fmt.Errorf("node %s: %s has no undoing", u.record.Node, u.Action)
	}
	work := restoration{undoing: u, env: env, effect: faults.Effect{Began: env.Now()}}
	node, err := work.look(ctx)
	if err != nil {
		return work.effect, err
	}
	switch {
	case u.Action.InEffect(node):
		err = work.end(ctx, undo, u.Action)
	case u.Action == cluster.PowerOff:
		err = work.endHalfPowerOff(ctx, node)
	case u.Action == cluster.Freeze || u.Action == cluster.Isolate:
		// An action that was broken off half-way may show no effect and yet have stopped some processes or cut one
		// of two directions. Undoing it is harmless: what is not so is refused and changes nothing.
		_ = work.do(ctx, undo)
	}
	if err == nil && u.Action == cluster.PowerOff {
		err = work.mendLink(ctx)
	}
	if err == nil && len(work.effect.Observations) == 0 {
		work.observe(fmt.Sprintf("%s is not in effect: nothing to undo", u.Action))
	}
	return work.effect, err
}

// restoration is the undoing of one action and the evidence that it gathers.
type restoration struct {
	undoing
	env    faults.UndoEnv
	effect faults.Effect
}

func (r *restoration) look(ctx context.Context) (cluster.Node, error) {
	return look.Machine(ctx, r.env.Machines, r.record.Node)
}

func (r *restoration) observe(what string) {
	r.effect.Observations = append(r.effect.Observations, cluster.Observation{What: what, How: look.MachinesView, At: r.env.Now()})
}

func (r *restoration) do(ctx context.Context, action cluster.Action) error {
	evidence, err := r.env.Machines.Do(ctx, action, r.record.Node)
	if err != nil {
		return fmt.Errorf("node %s: %s: %w", r.record.Node, action, err)
	}
	r.effect.Observations = append(r.effect.Observations, evidence.Observations...)
	return nil
}

// end does the action that ends effect. Someone else may have ended it in between; then the failure is none.
func (r *restoration) end(ctx context.Context, action, effect cluster.Action) error {
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
func (r *restoration) endHalfPowerOff(ctx context.Context, node cluster.Node) error {
	if before := r.was(); !before.Kubelet || node.Kubelet || r.heldByOther(cluster.KubeletStop) {
		return nil
	}
	question := fmt.Sprintf("node %s is on without its kubelet: its power-off was broken off half-way, or somebody stopped kubelet. Is it to "+
		"be switched off and on again?", r.record.Node)
	if err := r.env.Confirm(question); err != nil {
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
func (r *restoration) mendLink(ctx context.Context) error {
	node, err := r.look(ctx)
	if err != nil {
		return err
	}
	if r.was().Isolated || !node.Isolated || r.heldByOther(cluster.Isolate) {
		return nil
	}
	r.observe("the node is on without a link")
	return r.end(ctx, cluster.Rejoin, cluster.Isolate)
}

// was is the node as it was, or a healthy one if the record does not say.
func (r *restoration) was() cluster.Node {
	if r.Before == nil {
		return cluster.Node{Kubelet: true}
	}
	return *r.Before
}

// heldByOther reports whether another fault did the action to the machine.
func (r *restoration) heldByOther(action cluster.Action) bool {
	return slices.ContainsFunc(r.env.Others, func(other faults.Undoing) bool {
		open, ok := other.(undoing)
		return ok && open.record.Node == r.record.Node && open.Action == action
	})
}

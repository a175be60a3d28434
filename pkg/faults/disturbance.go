package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// NotLandedError is an injection that had no effect, or of which no effect could be proven.
type NotLandedError struct {
	Fault string
	Err   error
}

// Error says why.
func (e *NotLandedError) Error() string {
	return fmt.Sprintf("fault %s did not land: %v", e.Fault, e.Err)
}

// Unwrap returns the cause.
func (e *NotLandedError) Unwrap() error { return e.Err }

// NotRecoveredError is a recovery that failed, or could not be proven. The undo record stays open.
type NotRecoveredError struct {
	Fault string
	Err   error
}

// Error says why and what to do.
func (e *NotRecoveredError) Error() string {
	return fmt.Sprintf("fault %s was not recovered: %v; its undo record stays open, sparkchaos cleanup tries again", e.Fault, e.Err)
}

// Unwrap returns the cause.
func (e *NotRecoveredError) Unwrap() error { return e.Err }

// Disturbance is one fault of a run: it takes a Fault through its states, writes the undo record before anything is
// touched, and records each step in the history. Its methods may be called by several goroutines; each waits for the
// one before it to end.
type Disturbance struct {
	name  string
	kind  string
	args  json.RawMessage
	fault Fault
	// effects is what the fault does to what runs on its target, for the judgement of the history.
	effects []history.Effect
	env     Env

	working sync.Mutex // held by Inject, Recover and CleanUp
	record  *Record    // nil until the undo record is on disk
	target  Target
	began   *time.Time
	watch   *watch // nil until it landed

	seeing sync.Mutex // guards state alone, so that it can be asked while a step works
	state  State
}

// NewDisturbance prepares a fault that was made of its arguments. Most callers want Catalogue.Disturbance, which knows its effects
// as well.
func NewDisturbance(name, kind string, args any, fault Fault, env Env) (*Disturbance, error) {
	if missing := Missing(fault, env.Machines.Can()); len(missing) > 0 {
		return nil, fmt.Errorf("fault %s (%s): cluster %s cannot do %v to its nodes", name, kind, env.Machines.Name(), missing)
	}
	encoded, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("fault %s: arguments: %w", name, err)
	}
	env.Fault, env.Kind = name, kind
	return &Disturbance{name: name, kind: kind, args: encoded, fault: fault, env: env.WithDefaults(), state: Planned}, nil
}

// Name returns the fault's name in the scenario.
func (d *Disturbance) Name() string { return d.name }

// Describe says in one sentence what the disturbance does.
func (d *Disturbance) Describe() string { return d.fault.Describe() }

// Rank orders the recovery of several: those that are undone last have the highest.
func (d *Disturbance) Rank() int { return d.env.Journal.kinds.rank(d.target.Undo) }

// Holds reports whether the disturbance keeps pods on a node from being seen to end: its kubelet is silent until the fault
// is undone. It waits for a step that works.
func (d *Disturbance) Holds(node string) bool {
	d.working.Lock()
	defer d.working.Unlock()
	return d.record != nil && d.State().Active() && d.target.Node == node && slices.Contains(d.effects, history.SilencesNode)
}

// State returns where the disturbance stands. It does not wait for a step that works.
func (d *Disturbance) State() State {
	d.seeing.Lock()
	defer d.seeing.Unlock()
	return d.state
}

// Preflight returns what would keep the fault from taking effect on this cluster, before anything is started; nil if nothing is known to.
func (d *Disturbance) Preflight(ctx context.Context) error {
	careful, ok := d.fault.(Careful)
	if !ok {
		return nil
	}
	if err := careful.Preflight(ctx, d.env); err != nil {
		return fmt.Errorf("fault %s (%s): %w", d.name, d.kind, err)
	}
	return nil
}

// Inject resolves the target, writes the undo record, injects the fault and proves its effect. It returns a NotLandedError when the
// fault did not land, a TransitionError when it was injected before, and otherwise what cost the history an event.
func (d *Disturbance) Inject(ctx context.Context) error {
	d.working.Lock()
	defer d.working.Unlock()
	if from := d.State(); from != Planned {
		return &TransitionError{Fault: d.name, From: from, To: Injecting}
	}
	if err := d.resolve(ctx); err != nil {
		return d.didNotLand(err)
	}
	if err := d.mayAct(ctx); err != nil {
		return d.didNotLand(err)
	}
	if err := d.journal(); err != nil {
		return d.didNotLand(err)
	}
	if err := d.begin(); err != nil {
		return d.didNotLand(errors.Join(err, d.abandon()))
	}
	if err := d.act(ctx); err != nil {
		return err
	}
	d.watch = startWatch(ctx, d.fault, d.env, d.target)
	return nil
}

func (d *Disturbance) resolve(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.env.LandWithin)
	defer cancel()
	target, err := d.fault.Resolve(ctx, d.env)
	d.target = target
	return err
}

func (d *Disturbance) journal() error {
	record, err := d.env.Journal.Write(Record{
		Run: d.env.Run, Fault: d.name, Kind: d.kind, Written: d.env.Now().UTC(),
		ClusterKind: d.env.ClusterKind, Cluster: d.env.Machines.Name(), ClusterID: d.env.Cluster,
		Object: d.target.Object, Node: d.target.Node, Undo: d.target.Undo,
	})
	if err != nil {
		return err
	}
	d.record = &record
	return nil
}

// begin records in the history what is about to be done. Without a history nothing is done: no one could judge it.
func (d *Disturbance) begin() error {
	if err := d.step(Journaled, history.FaultData{Detail: map[string]string{"record": d.record.ID}}); err != nil {
		return err
	}
	now := d.env.Now()
	d.began = &now
	return d.step(Injecting, history.FaultData{})
}

// abandon closes the undo record of an injection that never began.
func (d *Disturbance) abandon() error {
	err := d.env.Journal.Done(d.record.ID)
	d.record, d.began = nil, nil
	return err
}

func (d *Disturbance) act(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.env.LandWithin+d.patience())
	defer cancel()
	if err := d.mayAct(ctx); err != nil { // to write the record took its time
		return d.didNotLand(errors.Join(err, d.abandon()))
	}
	effect, err := d.fault.Inject(ctx, d.env, d.target)
	if !effect.Began.IsZero() {
		d.began = &effect.Began
	}
	if err != nil {
		return d.didNotLand(fmt.Errorf("inject: %w", err))
	}
	proof, err := d.fault.ProveLanded(ctx, d.env, d.target, effect)
	if err != nil {
		return d.didNotLand(err)
	}
	return d.prove(Landed, proof)
}

// patience is the time that a fault needs to take effect beyond the usual bound, such as the grace period of a pod.
func (d *Disturbance) patience() time.Duration {
	slow, ok := d.fault.(Patient)
	if !ok {
		return 0
	}
	return slow.Patience(d.target)
}

// Recover undoes the fault and proves it. It returns a NotRecoveredError when that failed; it may then be called again.
func (d *Disturbance) Recover(ctx context.Context) error {
	d.working.Lock()
	defer d.working.Unlock()
	return d.recover(ctx)
}

func (d *Disturbance) recover(ctx context.Context) error {
	// An event that the history refuses does not stop the undoing.
	lost := d.step(Recovering, history.FaultData{Detail: d.lapse(ctx)})
	var illegal *TransitionError
	if errors.As(lost, &illegal) {
		return lost
	}
	if d.record == nil {
		return errors.Join(lost, d.step(Recovered, history.FaultData{Reason: "nothing was done to the target"}))
	}
	ctx, cancel := context.WithTimeout(ctx, d.env.RecoverWithin)
	defer cancel()
	proof, err := d.undo(ctx)
	if err != nil {
		failure := &NotRecoveredError{Fault: d.name, Err: err}
		return errors.Join(failure, lost, d.step(NotRecovered, history.FaultData{Reason: err.Error()}))
	}
	closing := d.env.Journal.Done(d.record.ID)
	return errors.Join(lost, closing, d.prove(Recovered, proof))
}

// lapse explains why a fault that landed was no longer in effect, though nobody had undone it; nil if it was, or if that cannot
// be seen of a fault of its kind. A fault that ended by itself was shorter than what is judged.
func (d *Disturbance) lapse(ctx context.Context) map[string]string {
	if d.watch == nil {
		return nil
	}
	why := d.watch.end(ctx)
	d.watch = nil
	if why == "" {
		return nil
	}
	return map[string]string{history.DidNotHold: why}
}

// mayAct returns why the cluster must not be touched any more.
func (d *Disturbance) mayAct(ctx context.Context) error {
	if err := d.env.MayAct(ctx); err != nil {
		return fmt.Errorf("nothing was done: %w", err)
	}
	return nil
}

func (d *Disturbance) undo(ctx context.Context) (Proof, error) {
	if err := d.mayAct(ctx); err != nil {
		return Proof{}, err
	}
	undoing, err := d.env.Journal.kinds.Decode(*d.record)
	if err != nil {
		return Proof{}, err
	}
	effect, err := undoing.Do(ctx, UndoEnv{
		Machines: d.env.Machines, Client: d.env.Client, Chaos: d.env.Chaos, Now: d.env.Now,
		Others: d.env.Journal.others(d.record.ID), Confirm: unasked,
	})
	if err != nil {
		return Proof{}, err
	}
	return d.fault.ProveRecovered(ctx, d.env, d.target, effect)
}

// unasked lets the run itself do what a clean-up has to ask for: it knows what its own fault left half-way a moment ago.
func unasked(string) error { return nil }

// CleanUp ends the disturbance; one that may still disturb its target is recovered first. It may be called in every
// state, and again after a failure.
func (d *Disturbance) CleanUp(ctx context.Context) error {
	d.working.Lock()
	defer d.working.Unlock()
	var lost error
	if d.record != nil && d.State().Active() {
		lost = d.recover(ctx)
	}
	state := d.State()
	if state == CleanedUp {
		return nil
	}
	if !state.allows(CleanedUp) || (state == DidNotLand && d.record != nil) {
		return lost
	}
	return errors.Join(lost, d.enter(CleanedUp))
}

func (d *Disturbance) didNotLand(reason error) error {
	failure := &NotLandedError{Fault: d.name, Err: reason}
	if err := d.step(DidNotLand, history.FaultData{Reason: reason.Error()}); err != nil {
		return errors.Join(failure, err)
	}
	return failure
}

func (d *Disturbance) prove(state State, proof Proof) error {
	evidence, err := json.Marshal(proof)
	if err != nil {
		return errors.Join(fmt.Errorf("fault %s: evidence: %w", d.name, err), d.step(state, history.FaultData{}))
	}
	return d.step(state, history.FaultData{Evidence: evidence, Detail: proof.Detail})
}

// step enters a state and records it in the history. The state is entered even if the history refuses the event.
func (d *Disturbance) step(to State, data history.FaultData) error {
	if err := d.enter(to); err != nil {
		return err
	}
	data.Fault, data.Kind, data.Args = d.name, d.kind, d.args
	data.Began, data.Effects = d.began, d.effects
	if sparing, ok := d.fault.(Sparing); ok {
		data.LeavesRunning = sparing.LeavesRunning()
	}
	if d.target.Object.Name != "" {
		data.Targets = []history.Object{d.target.Object}
	}
	if _, err := d.env.Emitter.Append(history.Fault, string(to), &history.Object{Kind: "Fault", Name: d.name}, data); err != nil {
		return fmt.Errorf("fault %s is %s, but the history does not say so: %w", d.name, to, err)
	}
	return nil
}

func (d *Disturbance) enter(to State) error {
	d.seeing.Lock()
	defer d.seeing.Unlock()
	if !d.state.allows(to) {
		return &TransitionError{Fault: d.name, From: d.state, To: to}
	}
	d.state = to
	return nil
}

package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// errApplicationEnded ends the wait for an anchor that can no longer be reached.
var errApplicationEnded = errors.New("the application has ended")

// graceAfterEnd is how long anchors are still awaited once the application has ended: events are on their way.
const graceAfterEnd = 3 * time.Second

// disturbance is one fault of the plan with its steps.
type disturbance struct {
	inject, recover *plan.Step
	fault           *faults.Disturbance
}

// injectFaults takes each fault through its steps, the faults side by side. A fault that does not land and an anchor
// that does not come are told in the history and end no other fault.
func (r *run) injectFaults(ctx context.Context) error {
	var heard faults.Heartbeats // nil without the witness, which is other evidence than none
	if r.Plan.Workload.Witnessed() {
		heard = r.session.witness.heartbeats
	}
	planned, err := r.disturbances(r.faultEnv(heard))
	if err != nil {
		return err
	}
	for _, d := range planned {
		r.disturbed = append(r.disturbed, d.fault)
		r.Underway.disturbs(d.fault)
	}
	waits, stop := r.whileApplicationRuns(ctx)
	defer stop()
	group := &errgroup.Group{}
	for _, d := range planned {
		group.Go(func() error { return r.takeSteps(ctx, waits, d) })
	}
	return group.Wait()
}

// faultEnv is what faults work with.
func (r *run) faultEnv(heard faults.Heartbeats) faults.Env {
	env := faults.Env{
		Run: r.id, ClusterKind: r.Clusters.Kind(), Namespace: r.faultNamespace(), Machines: r.cluster, Client: r.client,
		Targets: targets{live: r.live}, Emitter: r.log, Journal: r.journal, Heartbeats: heard, Chaos: r.added.chaos(),
		CloudSecret: r.CloudSecret,
	}
	env.Cluster = r.identity
	if shared, ok := r.cluster.(cluster.Shared); ok {
		env.MayAct = shared.MayAct
		env.LandWithin, env.RecoverWithin = sharedLandWithin, sharedRecoverWithin
	}
	return env
}

// disturbances pairs the steps of each fault.
func (r *run) disturbances(env faults.Env) ([]*disturbance, error) {
	var all []*disturbance
	byName := map[string]*disturbance{}
	for i := range r.Plan.Steps {
		step := &r.Plan.Steps[i]
		if step.Action == plan.Recover {
			byName[step.Fault].recover = step
			continue
		}
		fault, err := r.Own.catalogue().Disturbance(step.Fault, step.Kind(), step.By, step.Args(), env)
		if err != nil {
			return nil, err
		}
		byName[step.Fault] = &disturbance{inject: step, fault: fault}
		all = append(all, byName[step.Fault])
	}
	return all, nil
}

// whileApplicationRuns returns a context that ends a little after the application does.
func (r *run) whileApplicationRuns(ctx context.Context) (context.Context, func()) {
	waits, cancel := context.WithCancelCause(ctx)
	go func() {
		completed, err := completion()
		if err != nil {
			return
		}
		err = r.live.await(waits, func(m *model.Model) (bool, error) {
			reached, _ := completed.Reached(m, 0)
			return reached || failed(m), nil
		}, func() error { return errApplicationEnded })
		if err == nil && pause(waits, graceAfterEnd) == nil {
			cancel(errApplicationEnded)
		}
	}()
	return waits, func() { cancel(nil) }
}

// takeSteps injects one fault at its anchor and, if the plan says so, recovers it at another.
func (r *run) takeSteps(ctx, waits context.Context, d *disturbance) error {
	if reached, err := r.awaitStep(ctx, waits, d.inject); !reached || err != nil {
		return err
	}
	r.Progress.Say("fault %s: %s", d.fault.Name(), d.fault.Describe())
	err := d.fault.Inject(ctx)
	if notLanded := new(faults.NotLandedError); errors.As(err, &notLanded) {
		r.Progress.Say("%v", err)
		return r.log.Err()
	}
	if err != nil {
		return err
	}
	r.Progress.Say("fault %s has landed", d.fault.Name())
	if d.recover == nil || d.recover.AtEnd {
		return nil
	}
	if reached, err := r.awaitStep(ctx, waits, d.recover); !reached || err != nil {
		return err
	}
	return r.recoverFault(ctx, d.fault)
}

// recoverFault undoes a fault; a failure is in the history, and the clean-up tries again.
func (r *run) recoverFault(ctx context.Context, fault *faults.Disturbance) error {
	r.Progress.Say("recovering fault %s", fault.Name())
	err := fault.Recover(ctx)
	if notRecovered := new(faults.NotRecoveredError); errors.As(err, &notRecovered) {
		r.Progress.Say("%v", err)
		return r.log.Err()
	}
	if err == nil {
		r.Progress.Say("fault %s is recovered", fault.Name())
	}
	return err
}

// awaitStep waits for a step's anchor and its delay. An anchor that does not come is recorded in the history.
func (r *run) awaitStep(ctx, waits context.Context, step *plan.Step) (reached bool, err error) {
	a, err := r.anchorOf(step)
	if err != nil {
		return false, err
	}
	deadline := time.Duration(step.Deadline)
	encoded, err := json.Marshal(map[string]any{step.Anchor.Name: step.Anchor.Args})
	if err != nil {
		return false, fmt.Errorf("step %s: %w", step.ID, err)
	}
	data := history.AnchorData{Step: step.ID, Anchor: encoded, Deadline: deadline}
	if err := r.tell(history.AnchorAwaited, data); err != nil {
		return false, err
	}
	data.Evidence, err = r.awaitAnchor(waits, step, a)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, errApplicationEnded), errors.Is(err, context.DeadlineExceeded):
		data.Seen = a.seen()
		if errors.Is(err, errApplicationEnded) {
			data.Seen += "; the application has ended"
		}
		r.Progress.Say("step %s: its anchor %s did not come; seen instead: %s", step.ID, step.Anchor.Name, data.Seen)
		return false, r.tell(history.AnchorMissed, data)
	case err != nil:
		return false, err
	}
	if err := r.tell(history.AnchorReached, data); err != nil {
		return false, err
	}
	return true, r.delay(ctx, step)
}

// delay waits for a step's delay after its anchor.
func (r *run) delay(ctx context.Context, step *plan.Step) error {
	delay := time.Duration(step.Delay)
	if delay > 0 {
		defer r.Progress.Await("the delay of step "+step.ID, delay, func() string { return "its anchor was reached" })()
	}
	return pause(ctx, delay)
}

// phrase says in words what a step waits for.
func (r *run) phrase(step *plan.Step) string {
	entry, _ := scenario.Find(r.Own.Catalogue().Anchors, step.Anchor.Name) // it was found as the plan was made
	return "step " + step.ID + ": " + entry.Phrase(step.Anchor.Args)
}

func (r *run) awaitAnchor(ctx context.Context, step *plan.Step, a *awaited) ([]int64, error) {
	deadline := time.Duration(step.Deadline)
	done := r.Progress.Await(r.phrase(step), deadline, a.seen)
	defer done()
	defer a.end()
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if err := a.await(ctx, func() error { return context.DeadlineExceeded }); err != nil {
		return nil, err
	}
	return a.evidence, nil
}

// watchAnchors begins to look for the anchors of all steps, so that none is missed that comes before its step is waited for.
func (r *run) watchAnchors() error {
	r.anchors = map[string]*awaited{}
	for i := range r.Plan.Steps {
		step := &r.Plan.Steps[i]
		if step.Anchor == nil {
			continue
		}
		a, err := awaitAnchor(r.live, step, r.Own.Anchors)
		if err != nil {
			return err
		}
		r.anchors[step.ID] = a
	}
	return nil
}

// anchorOf returns the anchor of a step, which is looked for since the launch, or from now on.
func (r *run) anchorOf(step *plan.Step) (*awaited, error) {
	if a := r.anchors[step.ID]; a != nil {
		return a, nil
	}
	return awaitAnchor(r.live, step, r.Own.Anchors)
}

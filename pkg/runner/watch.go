package runner

import (
	"context"
	"errors"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/model"
)

// Watching says how long an application is watched, and who is told what is seen.
type Watching struct {
	For     time.Duration        // zero: until the context ends, or the application
	Observe func(*history.Event) // is called with each event of the history, by one goroutine at a time; may be nil
}

// Watch records an application that somebody else starts, until it is told to stop or the application has ended. It reads from the
// cluster and changes nothing there: it takes no hold of it, and other runs may go on beside it. An ended context is no trouble once the
// application was found.
func Watch(ctx context.Context, options Options, w Watching) (Finished, error) {
	r, err := beginWatch(options, w)
	if err != nil {
		return Finished{}, err
	}
	trouble := r.carryOutWatching(ctx, w.For)
	r.interrupted = trouble != nil && ctx.Err() != nil
	if r.session != nil {
		r.problem("record to the end", r.session.close())
	}
	return Finished{Directory: r.directory, Err: r.end(trouble)}, nil
}

func beginWatch(options Options, w Watching) (*run, error) {
	if !options.Plan.Workload.Attached() || len(options.Plan.Steps) > 0 {
		return nil, errors.New("only an application that somebody else starts is watched, and without faults")
	}
	began := time.Now()
	directory, err := MakeDirectory(options.Runs, options.Plan, began)
	if err != nil {
		return nil, err
	}
	r := &run{Options: options, id: runID(options.Plan.Scenario.Name, directory), directory: directory, began: began}
	if err := directory.write(options.Scenario, options.Plan); err != nil {
		return nil, err
	}
	// Reports look into it, and find nothing to undo.
	if r.journal, err = faults.OpenJournal(directory.Undo(), options.Own.undos()); err != nil {
		return nil, err
	}
	return r, r.open(w.Observe)
}

// carryOutWatching is the procedure, up to where only the end of the record is left.
func (r *run) carryOutWatching(ctx context.Context, atMost time.Duration) error {
	if err := r.phase(ctx, PhaseCluster, r.reachCluster); err != nil {
		return err
	}
	exists, stop := r.whileClusterExists(ctx)
	defer stop()
	if err := r.phase(exists, PhaseLaunch, r.launch); err != nil {
		return err
	}
	return r.phase(exists, PhaseSettle, func(exists context.Context) error {
		err := r.untilEnded(exists, atMost)
		if ctx.Err() != nil && r.log.Err() == nil {
			return nil // it was told to stop
		}
		return err
	})
}

// reachCluster finds the cluster without taking hold of it.
func (r *run) reachCluster(context.Context) (err error) {
	if r.cluster, err = r.openCluster(); err != nil {
		return err
	}
	if r.client, err = newClient(r.cluster); err != nil {
		return err
	}
	if r.dynamic, err = newDynamic(r.cluster); err != nil {
		return err
	}
	return r.writeEnvironment()
}

// untilEnded waits until the application has ended, or the time is up. A bare pod that failed may be made anew by whoever made it.
func (r *run) untilEnded(ctx context.Context, atMost time.Duration) error {
	if atMost > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, atMost)
		defer cancel()
	}
	completed, err := completion()
	if err != nil {
		return err
	}
	done := r.Progress.Await("the application to end", atMost, func() (text string) {
		r.live.read(func(m *model.Model) { text = completed.Seen(m, 0) })
		return text
	})
	defer done()
	late := false
	err = r.live.await(ctx, func(m *model.Model) (bool, error) {
		well, _ := completed.Reached(m, 0)
		return well || m.Kept() && failed(m), nil
	}, func() error { late = true; return nil })
	if err != nil || late {
		return err
	}
	r.Progress.Say("the application has ended")
	if err := pause(ctx, graceAfterEnd); err != nil && !errors.Is(err, context.DeadlineExceeded) { // events are on their way
		return err
	}
	return nil
}

package testbed

import (
	"context"
	"errors"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/kinds"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// CleanUpError is why something is left that runs did or made.
type CleanUpError struct{ Err error }

// Error implements error.
func (e *CleanUpError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *CleanUpError) Unwrap() error { return e.Err }

// confirmed asks whether a cluster that others use may be disturbed, if it is one.
func (t *Testbed) confirmed(ctx context.Context) error {
	confirming, ok := t.base.Clusters.(cluster.Confirming)
	if !ok {
		return nil
	}
	return confirming.Confirm(ctx)
}

// cleanUpBefore cleans up after runs that were killed on the cluster that is about to be used. One that belongs to others is asked for
// first: before, nothing is done to it.
func (t *Testbed) cleanUpBefore(ctx context.Context) error {
	if err := t.confirmed(ctx); err != nil {
		return err
	}
	clean := t.cleaning()
	clean.Only = t.base.ClusterName
	return cleanedUp(runner.CleanUpDead(ctx, clean))
}

func (t *Testbed) cleaning() runner.CleanUpOptions {
	return runner.CleanUpOptions{
		Active: t.base.Active, Clusters: t.base.Clusters, AddOn: t.base.AddOn, Own: t.base.Own,
		Say: t.base.Progress.Say, Confirm: t.settings.Confirm,
	}
}

func cleanedUp(err error) error {
	if err == nil {
		return nil
	}
	return &CleanUpError{Err: err}
}

// CleanUp cleans up after all runs of this machine that were killed, on clusters of every kind, and after runs of any machine on the
// cluster if others use it, too.
func (t *Testbed) CleanUp(ctx context.Context) error {
	if err := t.confirmed(ctx); err != nil {
		return err
	}
	own := t.cleaning()
	errs := []error{runner.CleanUpDead(ctx, own)}
	for _, kind := range kinds.All() {
		if kind.Unavailable != nil || kind.Name == own.Clusters.Kind() {
			continue // no run on this system can have left something in it, or it was cleaned up
		}
		provider, err := kind.New(t.env)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		clean := own
		clean.Clusters = provider
		errs = append(errs, runner.CleanUpDead(ctx, clean))
	}
	return cleanedUp(errors.Join(append(errs, t.cleanUpShared(ctx))...))
}

// cleanUpShared cleans up a cluster that others use, too, after runs of any machine.
func (t *Testbed) cleanUpShared(ctx context.Context) error {
	located, ok := t.base.Clusters.(cluster.Located)
	if !ok {
		return nil
	}
	opened, err := t.base.Clusters.Open(located.Reached())
	if err != nil {
		return err
	}
	shared, ok := opened.(cluster.Shared)
	if !ok {
		return nil
	}
	return runner.CleanUpShared(ctx, shared, t.cleaning())
}

package sparkchaos

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
func (c *Cluster) confirmed(ctx context.Context) error {
	confirming, ok := c.base.Clusters.(cluster.Confirming)
	if !ok {
		return nil
	}
	return confirming.Confirm(ctx)
}

// cleanUpBefore cleans up after runs that were killed on the cluster that is about to be used. One that belongs to others is asked for first:
// before, nothing is done to it.
func (c *Cluster) cleanUpBefore(ctx context.Context) error {
	if err := c.confirmed(ctx); err != nil {
		return err
	}
	clean := c.cleaning()
	clean.Only = c.base.ClusterName
	return cleanedUp(runner.CleanUpDead(ctx, clean))
}

func (c *Cluster) cleaning() runner.CleanUpOptions {
	return runner.CleanUpOptions{
		Active: c.base.Active, Clusters: c.base.Clusters, ChaosMesh: c.base.ChaosMesh, Say: c.base.Progress.Say, Confirm: c.settings.confirm,
	}
}

func cleanedUp(err error) error {
	if err == nil {
		return nil
	}
	return &CleanUpError{Err: err}
}

// CleanUp cleans up after all runs of this machine that were killed, on clusters of every kind, and after runs of any machine on the cluster
// if others use it, too.
func (c *Cluster) CleanUp(ctx context.Context) error {
	if err := c.confirmed(ctx); err != nil {
		return err
	}
	var errs []error
	for _, kind := range kinds.All() {
		if kind.Unavailable != nil {
			continue // no run on this system can have left something in it
		}
		clean := c.cleaning()
		if kind.Name != clean.Clusters.Kind() {
			provider, err := kind.New(c.env)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			clean.Clusters = provider
		}
		errs = append(errs, runner.CleanUpDead(ctx, clean))
	}
	return cleanedUp(errors.Join(append(errs, c.cleanUpShared(ctx))...))
}

// cleanUpShared cleans up a cluster that others use, too, after runs of any machine.
func (c *Cluster) cleanUpShared(ctx context.Context) error {
	located, ok := c.base.Clusters.(cluster.Located)
	if !ok {
		return nil
	}
	opened, err := c.base.Clusters.Open(located.Reached())
	if err != nil {
		return err
	}
	shared, ok := opened.(cluster.Shared)
	if !ok {
		return nil
	}
	clean := c.cleaning()
	return runner.CleanUpShared(ctx, shared, clean.ChaosMesh, clean.Confirm, clean.Say)
}

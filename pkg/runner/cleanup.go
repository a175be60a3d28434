package runner

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
)

// CleanUpOptions configure a clean-up after killed runs.
type CleanUpOptions struct {
	Active   ActiveRuns
	Clusters cluster.Provider
	AddOn    AddOn
	Own      Own // of the runs: its kinds of undo are those that their records may name
	// Only is the one cluster that is cleaned up, by its name: dead runs of all others are mentioned, and do not
	// block. Empty: all clusters of the kind.
	Only string
	// Confirm returns nil if somebody allows what it is asked, and otherwise an error that says how to allow it. nil allows nothing.
	Confirm func(question string) error
	Say     func(format string, args ...any)
}

// CleanUpDead undoes the faults of runs whose process was killed, and removes what they created. Nothing outside the cluster of a run's
// record is touched.
func CleanUpDead(ctx context.Context, o CleanUpOptions) error {
	dead, err := o.Active.Dead(ctx)
	errs := []error{err}
	for _, run := range dead {
		errs = append(errs, o.after(ctx, run))
	}
	return errors.Join(errs...)
}

// after cleans up after one dead run, or says why not.
func (o CleanUpOptions) after(ctx context.Context, run *ActiveRun) error {
	defer run.Release()
	record := run.Record()
	if why := o.elsewhere(record); why != "" {
		o.Say("run %s was killed, and is not cleaned up after: %s; if its cluster is gone for good, remove %s", record.RunID, why, run.path)
		return nil
	}
	if record.ClusterKind != o.Clusters.Kind() {
		return nil // the clean-up of all kinds handles it
	}
	release, held, err := holdDead(ctx, o.Clusters, record)
	if held != "" {
		o.Say("run %s was killed, and is not cleaned up after now: %s", record.RunID, held)
		return nil
	}
	if err == nil {
		defer release()
		o.Say("cleaning up after run %s, which was killed", record.RunID)
		err = o.cleanUp(ctx, record)
	}
	other := new(faults.OtherClusterError)
	if o.Only != "" && errors.As(err, &other) {
		o.Say("run %s is not cleaned up after: %v (%s)", record.RunID, err, run.path)
		return nil
	}
	if err == nil {
		err = run.Forget()
	}
	if err != nil {
		return fmt.Errorf("clean up after run %s (%s, %s): %w", record.RunID, record.Directory, run.path, err)
	}
	return nil
}

// elsewhere returns why a run is not on a cluster that is cleaned up now; empty if it is.
func (o CleanUpOptions) elsewhere(record ActiveRecord) string {
	if record.ClusterKind != o.Clusters.Kind() {
		if o.Only == "" {
			return ""
		}
		return record.elsewhere()
	}
	if located, ok := o.Clusters.(cluster.Located); ok {
		return located.Elsewhere(cluster.LeftRun{ClusterName: record.ClusterName, Cluster: record.Cluster, CleanUp: record.CleanUp})
	}
	if o.Only != "" && o.Only != record.ClusterName {
		return record.elsewhere()
	}
	return ""
}

// elsewhere describes where the run is and what cleans up after it.
func (r ActiveRecord) elsewhere() string {
	return fmt.Sprintf("it is on the %s cluster %s; `%s` cleans up after it", r.ClusterKind, r.ClusterName, r.CleanUpCommand())
}

// CleanUpCommand is the command line that cleans up after the run.
func (r ActiveRecord) CleanUpCommand() string {
	if r.CleanUp == "" {
		return "sparkchaos cleanup"
	}
	return r.CleanUp
}

func (o CleanUpOptions) cleanUp(ctx context.Context, record ActiveRecord) error {
	if record.Untouched && !record.Making {
		return nil
	}
	name := record.ClusterName
	if located, ok := o.Clusters.(cluster.Located); ok {
		name = located.Reached()
	}
	c, err := o.Clusters.Open(name)
	if errors.Is(err, cluster.ErrNotFound) {
		return nil // it went with all that was in it
	}
	goes := record.Making || record.MadeCluster && !record.KeepCluster
	if err != nil && !goes {
		return err
	}
	if record.Making && !record.Cluster.Known() { // it was not there, and did not get far enough to be distinguished from others
		_, err := o.Clusters.Remove(ctx, record.ClusterName)
		return err
	}
	var found cluster.Identity
	if err == nil {
		found, err = cluster.Identify(ctx, c)
	}
	vouched, err := o.isOn(record, found, err)
	if err != nil {
		return err
	}
	if goes {
		_, err := o.Clusters.Remove(ctx, record.ClusterName) // with its nodes, whatever state they are in
		return err
	}
	return holding(ctx, c, record.RunID, func(ctx context.Context) error {
		cleaner := &faults.Cleaner{Kinds: o.Own.undos(), Machines: c, Cluster: found, Vouched: vouched, Confirm: o.Confirm}
		return undoAndRemove(ctx, record, c, cleaner, o.AddOn.on(c))
	})
}

// isOn returns nil if the run is on the cluster that was found; vouched means that a person confirmed it. trouble is why nothing is known
// about the cluster.
func (o CleanUpOptions) isOn(record ActiveRecord, found cluster.Identity, trouble error) (vouched bool, err error) {
	switch record.Cluster.Compare(found) {
	case cluster.Same:
		return false, nil
	case cluster.Different:
		return false, &faults.OtherClusterError{Name: record.ClusterName, Of: record.Cluster, Found: found}
	}
	if _, ok := o.Clusters.(cluster.Located); ok && trouble != nil {
		return false, trouble // it has to answer anyway
	}
	question := fmt.Sprintf(
		"run %s was on %s, called %s, and this one, %s, has the same name: nothing proves that they are one. Clean up here?",
		record.RunID, record.Cluster, record.ClusterName, found)
	if o.Confirm == nil {
		return false, errors.Join(fmt.Errorf("%s Nobody could be asked; nothing was done", question), trouble)
	}
	if err := o.Confirm(question); err != nil {
		return false, errors.Join(err, trouble)
	}
	return true, nil
}

// undoAndRemove recovers from the faults of a run that was killed, and removes what it created.
func undoAndRemove(ctx context.Context, record ActiveRecord, c cluster.Cluster, cleaner *faults.Cleaner, added added) error {
	client, unreachable := newClient(c) // what was done to machines is undone without the API, too
	cleaner.Client, cleaner.Chaos = client, added.chaos()
	done, undone := cleaner.UndoPending(ctx, Directory(record.Directory).Undo())
	if unreachable == nil && len(record.Namespaces) > 0 {
		unreachable = answers(record, client.Discovery())
	}
	if unreachable != nil {
		return errors.Join(undone, unreachable)
	}
	errs := []error{undone, forgetStored(ctx, c, done), added.deleteResources(ctx, record.RunID)}
	if added.there() && record.InstalledAddOn {
		_, err := added.Uninstall(ctx)
		errs = append(errs, err)
	}
	for _, id := range record.Namespaces {
		errs = append(errs, removeSession(ctx, c, client, id, launcher.Delete))
	}
	return errors.Join(errs...)
}

// answers returns an error that says what to do if the API server of a run's cluster cannot be reached, instead of one error for each
// object that remains.
func answers(record ActiveRecord, api discovery.ServerVersionInterface) error {
	_, err := api.ServerVersion()
	if err == nil || errors.As(err, new(apierrors.APIStatus)) {
		return nil
	}
	return fmt.Errorf(
		"the API server of the %s cluster %s does not answer, so what the run made there could not be removed: %w; clean up again when it does. "+
			"If the cluster is gone for good, remove it, or the file named above", record.ClusterKind, record.ClusterName, err)
}

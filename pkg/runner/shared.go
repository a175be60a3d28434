package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
)

const (
	// sharedLandWithin and sharedRecoverWithin limit how long commands of the user may take to act on machines.
	sharedLandWithin    = 6 * time.Minute
	sharedRecoverWithin = 10 * time.Minute
	// cleanUpHolder is the holder's name while a clean-up holds a cluster.
	cleanUpHolder = "cleanup"
)

// acquire holds a cluster that others use, too, and records how far its clocks are apart.
func (r *run) acquire(ctx context.Context) error {
	shared, ok := r.cluster.(cluster.Shared)
	if !ok {
		return nil
	}
	image, err := r.PodImage(ctx) // of the agents, and of the witness if pods do not reach this machine
	if err != nil {
		return err
	}
	r.podImage = image
	done := r.Progress.Await("the harness's agents on the nodes", 3*time.Minute, func() string { return "being started" })
	err = shared.Acquire(ctx, r.id)
	done()
	if err != nil {
		return err
	}
	r.journal.StoreIn(shared.UndoStore())
	return r.measureClocks(ctx, shared)
}

// measureClocks records by how much the nodes' clocks differ from the harness's.
func (r *run) measureClocks(ctx context.Context, shared cluster.Shared) error {
	offsets, err := shared.ClockOffsets(ctx)
	if err != nil {
		return err
	}
	data := history.ClocksData{}
	for _, o := range offsets {
		data.Nodes = append(data.Nodes, history.ClockOffset{Node: o.Node, Offset: o.Offset, Uncertainty: o.Uncertainty})
	}
	return r.tell(history.ClocksMeasured, data)
}

// release releases the cluster once the run is over.
func (r *run) release(ctx context.Context, left error) error {
	shared, ok := r.cluster.(cluster.Shared)
	if !ok {
		return left
	}
	return errors.Join(left, shared.Release(ctx))
}

// holding does something while it holds the cluster, if it is one that must be held. The context ends when the cluster is lost.
func holding(ctx context.Context, c cluster.Cluster, run string, do func(context.Context) error) error {
	shared, ok := c.(cluster.Shared)
	if !ok {
		return do(ctx)
	}
	if err := shared.Acquire(ctx, run); err != nil {
		return err
	}
	held, stop := whileHeld(ctx, shared)
	defer stop()
	return errors.Join(do(held), shared.Release(context.WithoutCancel(ctx)))
}

// whileHeld returns a context that ends, with the cause, when the cluster is lost to another harness.
func whileHeld(ctx context.Context, shared cluster.Shared) (context.Context, func()) {
	held, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(shared.Holding(), func() { cancel(context.Cause(shared.Holding())) })
	return held, func() {
		stop()
		cancel(nil)
	}
}

// CleanUpShared recovers from faults and removes objects that runs left in a cluster, no matter on which machine they were
// started: their records are in the cluster. The caller has asked whether the cluster may be used; o.Confirm is asked for the rest.
func CleanUpShared(ctx context.Context, c cluster.Shared, o CleanUpOptions) error {
	client, err := newClient(c)
	if err != nil {
		return err
	}
	identity, err := cluster.Identify(ctx, c)
	if err != nil {
		return err
	}
	return holding(ctx, c, cleanUpHolder, func(ctx context.Context) error {
		added := o.AddOn.on(c)
		cleaner := &faults.Cleaner{
			Kinds: o.Own.undos(), Machines: c, Cluster: identity, Client: client, Chaos: added.chaos(), Confirm: o.Confirm,
		}
		errs := []error{undoStored(ctx, c, cleaner, o.Say), added.deleteResources(ctx, allRuns)}
		runs, err := o.runNamespaces(ctx, client)
		errs = append(errs, err)
		for _, namespace := range runs {
			o.Say("removing namespace %s of a run that was killed", namespace.Name)
			errs = append(errs, removeSession(ctx, c, client, namespace.Name, launcher.Delete))
		}
		return errors.Join(errs...)
	})
}

// undoStored recovers from the faults that are recorded in the cluster.
func undoStored(ctx context.Context, c cluster.Shared, cleaner *faults.Cleaner, say func(format string, args ...any)) error {
	stored, err := c.UndoStore().All(ctx)
	if err != nil {
		return err
	}
	var errs []error
	var all []faults.Record
	for _, run := range slices.Sorted(maps.Keys(stored)) {
		records, unreadable := faults.Decode(stored[run], cleaner.Kinds)
		all = append(all, records...)
		undone, err := cleaner.UndoStored(ctx, records)
		for _, u := range undone {
			if u.Err == nil {
				say("fault %s of run %s is undone", u.Record.Fault, run)
			}
		}
		errs = append(errs, unreadable, err, forgetStored(ctx, c, undone))
	}
	restored, err := cleaner.Kinds.UndoMarked(ctx, cleaner.Client, all)
	for _, node := range restored {
		say("what was done to the object of node %s is undone", node)
	}
	return errors.Join(append(errs, err)...)
}

// forgetStored removes the records of faults that are undone from the cluster.
func forgetStored(ctx context.Context, c cluster.Cluster, undone []faults.Undone) error {
	shared, ok := c.(cluster.Shared)
	if !ok {
		return nil
	}
	var errs []error
	for _, u := range undone {
		if u.Err == nil {
			errs = append(errs, shared.UndoStore().Forget(ctx, u.Record.Run, u.Record.ID))
		}
	}
	return errors.Join(errs...)
}

// runNamespaces returns the namespaces that runs made: those whose label says what their name does.
func (o CleanUpOptions) runNamespaces(ctx context.Context, client kubernetes.Interface) ([]corev1.Namespace, error) {
	list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{LabelSelector: launcher.RunLabel})
	if err != nil {
		return nil, fmt.Errorf("look for the namespaces of runs: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(namespace corev1.Namespace) bool {
		return namespace.Labels[launcher.RunLabel] != namespace.Name || namespace.Name == o.AddOn.Namespace
	}), nil
}

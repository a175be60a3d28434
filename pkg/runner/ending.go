package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/report"
)

// cleanUp undoes every fault, collects the evidence, and removes what the run made. It continues after a failure and
// without a history, and returns what is left behind.
func (r *run) cleanUp(ctx context.Context) error {
	if r.gone() { // with all that was in it
		if r.session != nil {
			r.problem("record to the end", r.session.close())
		}
		return nil
	}
	var left []error
	if r.session != nil {
		left = append(left, r.lastPhase(ctx, PhaseRecover, r.recoverAll))
		r.problem("collect the evidence", r.lastPhase(ctx, PhaseCollect, r.collect))
	}
	if r.client != nil {
		r.observeAfter(ctx)
		left = append(left, r.lastPhase(ctx, PhaseCleanUp, r.remove))
	}
	if r.session != nil {
		r.problem("record to the end", r.session.close())
	}
	return errors.Join(left...)
}

// recoverAll brings back what is still disturbed, and watches what that does to the rest of dead incarnations. It
// returns what stays disturbed; what only the history did not learn of is back all the same.
func (r *run) recoverAll(ctx context.Context) error {
	_ = r.recoverActive(ctx) // tried again below
	var errs []error
	for _, fault := range r.disturbed {
		err := fault.CleanUp(ctx)
		if notRecovered := new(faults.NotRecoveredError); errors.As(err, &notRecovered) {
			errs = append(errs, notRecovered)
		} else if r.log.Err() == nil {
			r.problem("clean up after fault "+fault.Name(), err)
		}
	}
	if !r.interrupted && r.log.Err() == nil { // else no one can judge what is seen
		r.watchAftermath(ctx)
	}
	return errors.Join(errs...)
}

// collect reads the nodes' disks and keeps the logs. Logs are for people: no verdict depends on them.
func (r *run) collect(ctx context.Context) error {
	if keeper, ok := r.cluster.(cluster.LogKeeper); ok {
		if err := keeper.CopyLogs(r.directory.Logs()); err != nil {
			r.Progress.Say("keep the logs of the cluster: %v", err)
		}
		if err := makePrivate(r.directory.Logs()); err != nil {
			r.Progress.Say("keep the logs of the cluster from other users: %v", err)
		}
	}
	return r.session.collect(ctx)
}

// remove deletes what the run made and looks whether anything is left of it.
func (r *run) remove(ctx context.Context) error {
	errs := []error{r.added.deleteResources(ctx, r.id)}
	del := launcher.Delete
	if r.goes() {
		del = launcher.Empty
	}
	for _, id := range r.namespaces() {
		errs = append(errs, removeSession(ctx, r.cluster, r.client, id, del))
	}
	found := r.leftovers(ctx)
	_ = r.tell(history.Leftovers, found) // an error that prevents the write is reported by end
	for _, object := range found.Found {
		errs = append(errs, fmt.Errorf("%s %s is left", object.Kind, object.Name))
	}
	for _, object := range found.Unseen {
		errs = append(errs, fmt.Errorf("%s %s is open, and nobody could look at what it is about", object.Kind, object.Name))
	}
	for _, unseen := range found.Errors {
		errs = append(errs, fmt.Errorf("look for %s", unseen))
	}
	errs = append(errs, r.removeAddOn(ctx))
	return errors.Join(errs...)
}

// leftovers looks for what a run must not leave.
func (r *run) leftovers(ctx context.Context) history.LeftoversData {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var data history.LeftoversData
	look := func(what string, find func() ([]history.Object, error)) {
		data.Checked = append(data.Checked, what)
		found, err := find()
		data.Found = append(data.Found, found...)
		if err != nil {
			data.Errors = append(data.Errors, fmt.Sprintf("%s: %v", what, err))
		}
	}
	if r.goes() {
		look(history.LeftContents, func() ([]history.Object, error) { return r.contentsLeft(ctx) })
	} else {
		look(history.LeftNamespaces, func() ([]history.Object, error) { return r.namespacesLeft(ctx) })
	}
	look("objects of the run outside of its namespaces", func() ([]history.Object, error) { return r.clusterScopedLeft(ctx) })
	look(history.LeftVolumes, func() ([]history.Object, error) { return r.volumesLeft(ctx) })
	look(history.LeftDirectories, func() ([]history.Object, error) { return r.directoriesLeft(ctx) })
	look(history.LeftNodes, func() ([]history.Object, error) { return r.nodesLeft(ctx) })
	if r.added.there() {
		look("resources of "+r.AddOn.Name, func() ([]history.Object, error) { return r.added.ResourcesOf(ctx, r.id) })
	}
	r.recordsLeft(ctx, &data)
	return data
}

// lookAtRecord bounds the look at what one open undo record is about: those before it may have used up the time.
const lookAtRecord = 20 * time.Second

// recordsLeft tells the undo records that are open: those about which somebody could look are left, the others are not known to be.
func (r *run) recordsLeft(ctx context.Context, data *history.LeftoversData) {
	const what = history.LeftRecords
	data.Checked = append(data.Checked, what)
	records, err := faults.Pending(r.directory.Undo(), r.Own.undos())
	if err != nil {
		data.Errors = append(data.Errors, fmt.Sprintf("%s: %v", what, err))
	}
	for _, record := range records {
		object := history.Object{Kind: "UndoRecord", Name: record.ID}
		if err := r.lookAt(ctx, record); err != nil {
			data.Unseen = append(data.Unseen, object)
			data.Errors = append(data.Errors, fmt.Sprintf("undo record %s: %v", record.ID, err))
			continue
		}
		data.Found = append(data.Found, object)
	}
}

func (r *run) lookAt(ctx context.Context, record faults.Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookAtRecord)
	defer cancel()
	return r.Own.undos().LookAt(ctx, faults.UndoEnv{Machines: r.cluster, Client: r.client, Chaos: r.added.chaos(), Now: time.Now}, record)
}

func (r *run) namespacesLeft(ctx context.Context) ([]history.Object, error) {
	var found []history.Object
	for _, name := range r.ids() {
		namespace, err := r.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return found, err
		}
		found = append(found, history.Object{Kind: "Namespace", Name: name, UID: string(namespace.UID)})
	}
	return found, nil
}

func (r *run) clusterScopedLeft(ctx context.Context) ([]history.Object, error) {
	var found []history.Object
	var errs []error
	for _, id := range r.ids() {
		left, err := launcher.ClusterScopedLeft(ctx, r.client, id)
		found, errs = append(found, left...), append(errs, err)
	}
	return found, errors.Join(errs...)
}

func (r *run) contentsLeft(ctx context.Context) ([]history.Object, error) {
	var found []history.Object
	for _, namespace := range r.ids() {
		jobs, err := r.client.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return found, err
		}
		for _, job := range jobs.Items {
			found = append(found, history.Object{Kind: "Job", Namespace: namespace, Name: job.Name, UID: string(job.UID)})
		}
		pods, err := r.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return found, err
		}
		for _, pod := range pods.Items {
			found = append(found, history.Object{Kind: "Pod", Namespace: namespace, Name: pod.Name, UID: string(pod.UID)})
		}
	}
	return found, nil
}

// volumePatience is how long the volumes of a run may take to be deleted once its claims are.
const volumePatience = 20 * time.Second

// volumesLeft waits a little: volumes are deleted after the claims that held them.
func (r *run) volumesLeft(ctx context.Context) ([]history.Object, error) {
	var found []history.Object
	err := r.until(ctx, "volumes to be deleted", volumePatience, func(ctx context.Context) await.Result {
		volumes, err := r.client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return await.NotYet(fmt.Errorf("list the volumes: %w", err))
		}
		found = nil
		for _, volume := range volumes.Items {
			claim := volume.Spec.ClaimRef
			if claim != nil && (claim.Namespace == r.id || claim.Namespace == r.baselineID()) && !r.stock(volume) {
				found = append(found, history.Object{Kind: "PersistentVolume", Name: volume.Name, UID: string(volume.UID)})
			}
		}
		if len(found) > 0 {
			return await.NotYet(fmt.Errorf("%d volumes are left", len(found)))
		}
		return await.Done()
	})
	if found != nil {
		return found, nil // the time is up: what was seen last counts
	}
	return nil, err
}

// stock reports whether a volume was there before the run and is retained: it is the cluster's own, and the operator of that
// decides when it may be claimed again.
func (r *run) stock(volume corev1.PersistentVolume) bool {
	return volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain && volume.CreationTimestamp.Time.Before(r.began)
}

// directoriesLeft looks on the disks themselves: what executors and shuffle services wrote there outlives them.
func (r *run) directoriesLeft(ctx context.Context) ([]history.Object, error) {
	nodes, err := r.cluster.Nodes(ctx)
	var found []history.Object
	errs := []error{err}
	for _, node := range nodes {
		disk, err := r.cluster.Disk(ctx, node.Name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, id := range r.ids() {
			for _, directory := range directories(id) {
				if _, err := fs.Stat(disk, strings.TrimPrefix(directory, "/")); err == nil {
					found = append(found, history.Object{Kind: "Directory", Name: node.Name + ":" + directory})
				} else if !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, fmt.Errorf("look at the disk of node %s: %w", node.Name, err))
				}
			}
		}
	}
	return found, errors.Join(errs...)
}

// goes reports whether the cluster was made for this run and is not to be kept.
func (r *run) goes() bool { return r.made && !r.KeepCluster }

// removeCluster removes the cluster if it goes with the run. What was left behind in it goes
// with it; the result is what is left after that.
func (r *run) removeCluster(ctx context.Context, left error) error {
	if !r.goes() {
		return left
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := r.Clusters.Remove(ctx, r.ClusterName); err != nil {
		return errors.Join(left, err)
	}
	if left != nil {
		r.Progress.Say("removed with the cluster: %v", left)
	}
	return nil
}

// writeEnvironment stores what the run runs on.
func (r *run) writeEnvironment() error {
	environment := report.Environment{
		ClusterKind: r.Clusters.Kind(), ClusterName: r.cluster.Name(),
		Versions: map[string]string{"sparkchaos": r.Version},
		Timing:   r.timing(),
		Flags:    r.Flags,
		Machine:  map[string]string{"cpus": fmt.Sprint(runtime.NumCPU()), "os": runtime.GOOS, "architecture": runtime.GOARCH},

		Repetition: r.Repetition,
	}
	if r.image.Reference != "" {
		environment.Versions["image"] = r.image.Reference
	}
	maps.Copy(environment.Versions, r.operator)
	if name, err := os.Hostname(); err == nil { // reports can do without
		environment.Machine["hostname"] = name
	}
	if versioned, ok := r.cluster.(cluster.Versioned); ok {
		for name, version := range versioned.Components() {
			environment.Versions[name] = version
		}
	}
	encoded, err := report.EncodeEnvironment(environment)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.directory.Environment(), encoded, 0o600); err != nil {
		return fmt.Errorf("write what the run runs on: %w", err)
	}
	return nil
}

// timing says how soon the cluster notices a dead node. Of one that was not made by the plan's knobs that is not known.
func (r *run) timing() map[string]string {
	if _, ok := r.cluster.(cluster.Shared); ok || r.attached() {
		return map[string]string{"name": "the cluster's own, not known"}
	}
	t := r.Plan.Cluster.Knobs.Timing(r.Plan.Cluster.Timing)
	return map[string]string{
		"name": t.Name, "nodeStatusUpdateFrequency": t.NodeStatusUpdateFrequency.String(), "nodeLeaseDuration": t.NodeLeaseDuration.String(),
		"nodeMonitorPeriod": t.NodeMonitorPeriod.String(), "nodeMonitorGracePeriod": t.NodeMonitorGracePeriod.String(),
	}
}

// deletion is launcher.Delete or launcher.Empty.
type deletion func(ctx context.Context, client kubernetes.Interface, namespace, runID string) error

// removeSession removes a session's namespace with all that is in it, and its directories on the nodes' disks.
func removeSession(ctx context.Context, c cluster.Cluster, client kubernetes.Interface, id string, del deletion) error {
	deleting, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	errs := []error{del(deleting, client, id, id), launcher.DeleteClusterScoped(deleting, client, id)}
	for _, directory := range directories(id) {
		errs = append(errs, c.RemoveDirectory(ctx, directory))
	}
	// A cluster without a provisioner of volumes has a stock of them, which must be filled again.
	if stocked, ok := c.(cluster.VolumeStock); ok {
		errs = append(errs, stocked.RenewVolumes(ctx))
	}
	return errors.Join(errs...)
}

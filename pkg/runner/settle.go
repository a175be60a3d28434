package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sparkchaos/sparkchaos/pkg/check"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// afterRecovery is how long a Job may take to complete once the nodes are back that its dead pods lie on: their kubelets
// have to say that the pods ended.
const afterRecovery = 2 * time.Minute

// waits says how long the run goes on for what is expected of it.
func (r *run) waits() plan.Waits {
	return r.Plan.Waits(scenario.Catalogue{Invariants: check.Entries()})
}

// settle waits for the application to complete. That it does not is for the invariants to judge.
//
// A driver's pod on a node that a fault holds stays Terminating until the node is back, and as long keeps the Job from
// being complete, though the application has done its work. Then the faults are undone here.
func (r *run) settle(ctx context.Context) error {
	atMost := r.waits().UntilSettled(time.Since(r.session.launched))
	ending, err := r.session.awaitEnding(ctx, atMost, r.holds)
	if err != nil {
		return err
	}
	if ending.held != "" {
		r.Progress.Say("the application has done its work, but its Job is not complete: %s; the faults are recovered now", ending.held)
		if err := r.recoverActive(ctx); err != nil {
			return err
		}
		if ending, err = r.session.awaitEnding(ctx, afterRecovery, nil); err != nil {
			return err
		}
	}
	r.Progress.Say("the application %s", ending)
	return r.session.verifyArtifacts(ctx)
}

// holds returns the name of a fault that holds a node; empty if none does.
func (r *run) holds(node string) string {
	for _, fault := range r.disturbed {
		if fault.Holds(node) {
			return fault.Name()
		}
	}
	return ""
}

// recoverActive undoes the faults that are in effect. What fails is in the history, and the clean-up tries again.
//
// Machines come first: a node that is off keeps resources of Chaos Mesh from going.
func (r *run) recoverActive(ctx context.Context) error {
	slices.SortStableFunc(r.disturbed, func(a, b *faults.Disturbance) int { return cmp.Compare(a.Rank(), b.Rank()) })
	for _, fault := range r.disturbed {
		if fault.State().Active() {
			_ = r.recoverFault(ctx, fault)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.log.Err()
}

// ending is how the wait for an application's end went.
type ending struct {
	completed, failed bool
	held              string // what alone keeps the Job from being complete; empty if there is more, or nothing
	within            time.Duration
}

// String says it with the application as its subject.
func (e ending) String() string {
	switch {
	case e.completed:
		return "has completed"
	case e.failed:
		return "has failed"
	default:
		return fmt.Sprintf("has not completed within %v", e.within.Round(time.Second))
	}
}

// awaitEnding waits until the driver's Job is complete or has failed, or the bare driver pod has ended. With holds, which
// names the fault that holds a node, it also returns when only pods on such nodes keep the Job from being complete.
func (s *session) awaitEnding(ctx context.Context, atMost time.Duration, holds func(node string) string) (ending, error) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	end := ending{within: atMost}
	anchored, err := newAwaited("application", applicationCompleted(), 0)
	if err != nil {
		return end, err
	}
	failed, drivers := newFailure(), &driverPods{}
	done := s.run.Progress.Await("the application to complete", atMost, anchored.seen)
	defer done()
	err = eachUpToNow(ctx, s.log, func(e history.Event, last bool) (bool, error) {
		end.completed, _ = anchored.observe(e)
		end.failed = failed.observe(e)
		drivers.observe(e)
		if last && holds != nil && !end.completed && !end.failed {
			end.held = drivers.held(holds)
		}
		return end.completed || end.failed || end.held != "", nil
	}, func() error { return nil })
	return end, err
}

// driverPods are those of the driver's Job.
type driverPods struct {
	workload history.WorkloadData
	pods     []corev1.Pod // that are there, as last seen
}

func (d *driverPods) observe(e history.Event) {
	if e.Source == history.Harness && e.Type == history.WorkloadLaunched {
		_ = json.Unmarshal(e.Data, &d.workload) // unreadable: no pod is recognised, and the deadline ends the wait
		return
	}
	if e.Source != history.Kubernetes || e.Object == nil || e.Object.Kind != "Pod" || e.Object.Namespace != d.workload.Namespace {
		return
	}
	var pod corev1.Pod
	if json.Unmarshal(e.Data, &pod) != nil || pod.UID == "" { // a gap in the record of pods has none
		return
	}
	if owner := metav1.GetControllerOf(&pod); owner == nil || d.workload.DriverUID == "" || string(owner.UID) != d.workload.DriverUID {
		return
	}
	d.pods = slices.DeleteFunc(d.pods, func(known corev1.Pod) bool { return known.UID == pod.UID })
	if e.Type != history.Deleted {
		d.pods = append(d.pods, pod)
	}
}

// held says which pods on nodes that faults hold are all that keeps the Job from being complete: the newest driver has
// succeeded. It is empty if there is anything else.
func (d *driverPods) held(holds func(node string) string) string {
	if len(d.pods) == 0 {
		return ""
	}
	newest := slices.MaxFunc(d.pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	if newest.Status.Phase != corev1.PodSucceeded {
		return ""
	}
	var held []string
	for _, pod := range d.pods {
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		fault := holds(pod.Spec.NodeName)
		if pod.DeletionTimestamp == nil || fault == "" {
			return ""
		}
		held = append(held, fmt.Sprintf("pod %s stays Terminating on node %s, which fault %s holds", pod.Name, pod.Spec.NodeName, fault))
	}
	return strings.Join(held, "; ")
}

// applicationPods selects drivers and executors; the components around them run until the clean-up.
const applicationPods = launcher.RoleLabel + " in (" + launcher.RoleDriver + "," + launcher.RoleExecutor + ")"

// watchAftermath waits until no driver and no executor runs any more, for as long at most as the invariants need: what is
// still there then is judged from the record.
func (r *run) watchAftermath(ctx context.Context) {
	atMost := r.waits().Aftermath.Time
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	running := newSeen("")
	done := r.Progress.Await("drivers and executors to end", atMost, running.String)
	defer done()
	_ = wait.PollUntilContextCancel(ctx, 500*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		pods, err := r.client.CoreV1().Pods(r.id).List(ctx, metav1.ListOptions{LabelSelector: applicationPods})
		if err != nil {
			running.set(err.Error())
			return false, nil
		}
		count := 0
		for _, pod := range pods.Items {
			if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				count++
			}
		}
		running.set(fmt.Sprintf("%d pods", count))
		return count == 0, nil
	})
}

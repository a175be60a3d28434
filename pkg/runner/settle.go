package runner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/internal/await"
	"github.com/sparkchaos/sparkchaos/pkg/faults"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/model"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
)

// afterRecovery is how long a Job may take to complete once the nodes are back that its dead pods lie on: their kubelets
// have to say that the pods ended.
const afterRecovery = 2 * time.Minute

// waits returns how long the run continues so that its expectations can be judged.
func (r *run) waits() plan.Waits {
	return r.Plan.Waits(r.Own.Catalogue())
}

// settle waits for the application to complete. If it does not, the invariants judge that.
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
	return r.session.verifyComponents(ctx)
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

// recoverActive recovers from the faults that are in effect. Failures are recorded, and the clean-up tries again.
//
// Machines come first: a node that is off keeps an add-on's resources from being deleted.
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

// ending is the outcome of the wait for an application's end.
type ending struct {
	completed, failed bool
	held              string // what alone keeps the Job from being complete; empty if there is more, or nothing
	within            time.Duration
}

// String completes a sentence whose subject is the application.
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
	completed, err := completion()
	if err != nil {
		return end, err
	}
	done := s.run.Progress.Await("the application to complete", atMost, func() (text string) {
		s.live.read(func(m *model.Model) { text = completed.Seen(m, 0) })
		return text
	})
	defer done()
	var left []faults.Pod
	looked := int64(-1) // the events that the look before knew
	look := func(m *model.Model) (bool, error) {
		if m.Events == looked {
			return false, nil
		}
		looked = m.Events
		end.completed, _ = completed.Reached(m, 0)
		end.failed = failed(m)
		left = leftBehind(m)
		return end.completed || end.failed || holds != nil && len(left) > 0, nil
	}
	for late := false; ; {
		err := s.live.await(ctx, look, func() error { late = true; return nil })
		if err != nil || late || end.completed || end.failed {
			return end, err
		}
		if end.held = held(left, holds); end.held != "" {
			return end, nil
		}
	}
}

// leftBehind returns the driver's pods that are all that keeps its Job from being complete: the newest driver has succeeded, and the
// others are being deleted. Nothing if there is anything else.
func leftBehind(m *model.Model) []faults.Pod {
	var there []*model.Pod
	for _, incarnation := range m.Incarnations() {
		if pod := incarnation.Pod; pod != nil && pod.Deleted.Never() {
			there = append(there, pod)
		}
	}
	ended := func(pod *model.Pod) bool {
		return pod.Phase == string(corev1.PodSucceeded) || pod.Phase == string(corev1.PodFailed)
	}
	if len(there) == 0 || there[len(there)-1].Phase != string(corev1.PodSucceeded) {
		return nil
	}
	var left []faults.Pod
	for _, pod := range there {
		switch {
		case ended(pod):
		case pod.Terminating.Never():
			return nil
		default:
			left = append(left, target(pod))
		}
	}
	return left
}

// held names the pods that remain because faults hold their nodes. It is empty if no fault holds one of the nodes. It asks faults, which
// may be writing to the history, so it must not be called while the model is locked.
func held(left []faults.Pod, holds func(node string) string) string {
	var held []string
	for _, pod := range left {
		fault := holds(pod.Node)
		if fault == "" {
			return ""
		}
		held = append(held, fmt.Sprintf("pod %s stays Terminating on node %s, which fault %s holds", pod.Name, pod.Node, fault))
	}
	return strings.Join(held, "; ")
}

// applicationPods selects drivers and executors; the components around them run until the clean-up.
const applicationPods = launcher.RoleLabel + " in (" + launcher.RoleDriver + "," + launcher.RoleExecutor + ")"

// watchAftermath waits until no driver and no executor runs any more, for as long at most as the invariants need: what is
// still there then is judged from the record.
func (r *run) watchAftermath(ctx context.Context) {
	_ = r.until(ctx, "drivers and executors to end", r.waits().Aftermath.Time, func(ctx context.Context) await.Result {
		pods, err := r.client.CoreV1().Pods(r.id).List(ctx, metav1.ListOptions{LabelSelector: applicationPods})
		if err != nil {
			return await.NotYet(err)
		}
		count := 0
		for _, pod := range pods.Items {
			if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
				count++
			}
		}
		if count > 0 {
			return await.NotYet(fmt.Errorf("%d pods run", count))
		}
		return await.Done()
	})
}

package existing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

const (
	// Namespace is where the harness keeps what is not of one run's workload: its lease, its agents, undo records.
	Namespace = "sparkchaos-system"
	leaseName = "sparkchaos"
	// leaseDuration is how long a harness that is silent still counts as alive; renewEvery is how often one that is renews.
	leaseDuration = 15 * time.Second
	renewEvery    = 4 * time.Second
	// managedBy marks the namespace as made by the harness: one of that name without it belongs to somebody else.
	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "sparkchaos"
)

// HeldError says that another harness works on the cluster.
type HeldError struct {
	Context, Holder string
	Since           time.Time
}

// Error names the other one.
func (e *HeldError) Error() string {
	return fmt.Sprintf("context %s is held by %s since %s: two harnesses would disturb each other's runs; wait until it has ended", e.Context, e.Holder, e.Since.Format(time.DateTime))
}

// hold is the time for which a harness has the cluster to itself.
type hold struct {
	stop context.CancelFunc
	done chan struct{}

	mu   sync.Mutex
	lost error // why the cluster is not ours any more
}

func (h *hold) lose(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = err
}

// Held returns why the cluster is not this harness's any more; nil if it is, or was never acquired.
func (c *Cluster) Held() error {
	c.mu.Lock()
	h := c.hold
	c.mu.Unlock()
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// Acquire makes the harness's own namespace, takes the lease and starts the agents.
func (c *Cluster) Acquire(ctx context.Context, run string) error {
	if err := c.makeNamespace(ctx); err != nil {
		return err
	}
	if err := c.takeLease(ctx, run); err != nil {
		return err
	}
	if err := c.startAgents(ctx, run); err != nil {
		return errors.Join(err, c.Release(context.WithoutCancel(ctx)))
	}
	return nil
}

// Release removes the agents and gives the lease back. The namespace goes, too, unless undo records are left in it.
func (c *Cluster) Release(ctx context.Context) error {
	c.mu.Lock()
	h := c.hold
	c.hold = nil
	c.mu.Unlock()
	if h == nil {
		return nil
	}
	h.stop()
	<-h.done
	if err := h.lost; err != nil { // whoever has it now needs what is there
		return err
	}
	if err := c.stopAgents(ctx); err != nil {
		return errors.Join(err, c.giveLease(ctx))
	}
	left, err := c.UndoStore().All(ctx)
	if err != nil || len(left) > 0 {
		return errors.Join(err, c.giveLease(ctx))
	}
	return c.removeNamespace(ctx)
}

// makeNamespace makes the harness's own namespace, or finds it; one of somebody else is refused.
func (c *Cluster) makeNamespace(ctx context.Context) error {
	wanted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace, Labels: map[string]string{
		managedByLabel: managedBy,
		// The agents work on the nodes' disks.
		"pod-security.kubernetes.io/enforce": "privileged",
	}}}
	ctx, cancel := context.WithTimeoutCause(ctx, goneTimeout, fmt.Errorf("it was not there within %v", goneTimeout))
	defer cancel()
	var there *corev1.Namespace
	var refused error
	err := cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		var err error
		if there, err = c.client.CoreV1().Namespaces().Create(ctx, wanted, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			there, err = c.client.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
		}
		switch {
		case forbidden(err):
			refused = err
			return true, ""
		case err != nil:
			return later(ctx, err.Error())
		case there.DeletionTimestamp != nil: // of the harness before
			return later(ctx, "it is being deleted")
		default:
			return true, ""
		}
	})
	if err := errors.Join(err, refused); err != nil {
		return fmt.Errorf("make namespace %s: %w", Namespace, err)
	}
	if there.Labels[managedByLabel] != managedBy {
		return fmt.Errorf("namespace %s of context %s was not made by sparkchaos (it has no label %s=%s), so it is left alone", Namespace, c.options.Context, managedByLabel, managedBy)
	}
	return nil
}

func forbidden(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }

func (c *Cluster) removeNamespace(ctx context.Context) error {
	err := c.client.CoreV1().Namespaces().Delete(ctx, Namespace, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove namespace %s: %w", Namespace, err)
	}
	err = awaitGone(ctx, func(ctx context.Context) error {
		_, err := c.client.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("remove namespace %s: %w", Namespace, err)
	}
	return nil
}

// awaitGone waits until the API server says that what is asked for is not found.
func awaitGone(ctx context.Context, get func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, goneTimeout, fmt.Errorf("it was not gone within %v", goneTimeout))
	defer cancel()
	return cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		err := get(ctx)
		switch {
		case apierrors.IsNotFound(err):
			return true, ""
		case err != nil:
			return later(ctx, err.Error())
		default:
			return later(ctx, "it is still there")
		}
	})
}

// takeLease takes the lease, or says who has it. A holder counts as dead when it was watched for as long as its lease lasts and did
// not renew it: its clock may be another one.
func (c *Cluster) takeLease(ctx context.Context, run string) error {
	leases := c.client.CoordinationV1().Leases(Namespace)
	held, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		held, err = leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName, Namespace: Namespace}}, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("lease %s/%s: %w", Namespace, leaseName, err)
	}
	if held, err = c.awaitDeath(ctx, held); err != nil {
		return err
	}
	now := metav1.NowMicro()
	seconds := int32(leaseDuration / time.Second)
	held.Labels = map[string]string{cluster.RunLabel: run}
	held.Spec = coordinationv1.LeaseSpec{HolderIdentity: &c.options.Holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now}
	taken, err := leases.Update(ctx, held, metav1.UpdateOptions{})
	if err != nil { // a conflict: another one was faster
		return fmt.Errorf("take the lease %s/%s: %w", Namespace, leaseName, err)
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &hold{stop: stop, done: make(chan struct{})}
	c.mu.Lock()
	c.hold = h
	c.mu.Unlock()
	go func() {
		defer close(h.done)
		c.renew(renewing, h, taken)
	}()
	return nil
}

// awaitDeath returns the lease when nobody holds it any more.
func (c *Cluster) awaitDeath(ctx context.Context, held *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	if held.Spec.HolderIdentity == nil || *held.Spec.HolderIdentity == "" {
		return held, nil
	}
	first := held.Spec.RenewTime
	for since := time.Now(); time.Since(since) < leaseDuration; {
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
		now, err := c.client.CoordinationV1().Leases(Namespace).Get(ctx, leaseName, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("lease %s/%s: %w", Namespace, leaseName, err)
		}
		held = now
		if held.Spec.HolderIdentity == nil || *held.Spec.HolderIdentity == "" {
			return held, nil
		}
		if !held.Spec.RenewTime.Equal(first) {
			return nil, &HeldError{Context: c.options.Context, Holder: *held.Spec.HolderIdentity, Since: held.Spec.AcquireTime.Time}
		}
	}
	return held, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// renew keeps the lease. When it cannot be renewed for as long as it lasts, or is another one's, the cluster is lost.
func (c *Cluster) renew(ctx context.Context, h *hold, held *coordinationv1.Lease) {
	leases := c.client.CoordinationV1().Leases(Namespace)
	renewed := time.Now()
	for pause(ctx, renewEvery) == nil {
		now := metav1.NowMicro()
		held.Spec.RenewTime = &now
		updated, err := leases.Update(ctx, held, metav1.UpdateOptions{})
		switch {
		case err == nil:
			held, renewed = updated, time.Now()
		case ctx.Err() != nil:
			return
		case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
			h.lose(fmt.Errorf("the lease %s/%s was taken by another harness: %w", Namespace, leaseName, err))
			return
		case time.Since(renewed) > leaseDuration:
			h.lose(fmt.Errorf("the lease %s/%s could not be renewed for %v: %w", Namespace, leaseName, leaseDuration, err))
			return
		}
	}
}

// giveLease lets go of the lease, so that the next harness need not wait.
func (c *Cluster) giveLease(ctx context.Context) error {
	leases := c.client.CoordinationV1().Leases(Namespace)
	held, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		held.Spec.HolderIdentity = nil
		_, err = leases.Update(ctx, held, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("give the lease %s/%s back: %w", Namespace, leaseName, err)
	}
	return nil
}

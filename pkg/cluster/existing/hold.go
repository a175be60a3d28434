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
	"k8s.io/client-go/util/retry"

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
	return fmt.Sprintf("context %s is held by %s since %s: two harnesses would disturb each other's runs; wait until it has ended", e.Context,
		e.Holder, e.Since.Format(time.DateTime))
}

// hold is the time for which a harness has the cluster to itself. client-go's leader election does not serve: it cannot renew the lease
// on demand, as MayAct must right before a fault acts; it takes a former hold of the same identity for its own; it waits for its turn,
// and does not tell who holds the lease; and its clock stands still while the machine sleeps.
type hold struct {
	stop context.CancelFunc
	done chan struct{}
	// holding ends when the cluster is not ours any more; its cause says why.
	holding context.Context
	lose    context.CancelCauseFunc

	mu       sync.Mutex // held while the lease is renewed
	holder   string
	acquired time.Time // by the lease, so that a later hold of the same holder is another one
	renewed  time.Time
}

func newHold(taken *coordinationv1.Lease, stop context.CancelFunc) *hold {
	h := &hold{stop: stop, done: make(chan struct{}), holder: *taken.Spec.HolderIdentity, acquired: taken.Spec.AcquireTime.Time,
		renewed: wallClock()}
	h.holding, h.lose = context.WithCancelCause(context.Background())
	return h
}

// wallClock continues while the machine sleeps.
func wallClock() time.Time { return time.Now().Round(0) }

// end stops the renewing.
func (h *hold) end() {
	h.stop()
	<-h.done
}

// owns returns why a lease is not this hold's.
func (h *hold) owns(lease *coordinationv1.Lease) error {
	spec := lease.Spec
	switch {
	case spec.HolderIdentity == nil || *spec.HolderIdentity == "":
		return errors.New("nobody holds it")
	case *spec.HolderIdentity != h.holder || spec.AcquireTime == nil || !sameMicrosecond(spec.AcquireTime.Time, h.acquired):
		return fmt.Errorf("%s holds it", *spec.HolderIdentity)
	default:
		return nil
	}
}

// sameMicrosecond compares times of which one may have been through the API.
func sameMicrosecond(a, b time.Time) bool {
	return a.Truncate(time.Microsecond).Equal(b.Truncate(time.Microsecond))
}

// lost returns why the cluster is not ours any more; nil if it is.
func (h *hold) lost() error {
	if h.holding.Err() == nil {
		return nil
	}
	return context.Cause(h.holding)
}

// current returns the hold that is in effect; nil without one.
func (c *Cluster) current() *hold {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hold
}

// Held returns why the cluster is not this harness's any more; nil if it is, or was never acquired.
func (c *Cluster) Held() error {
	if h := c.current(); h != nil {
		return h.lost()
	}
	return nil
}

// Holding implements cluster.Shared.
func (c *Cluster) Holding() context.Context {
	if h := c.current(); h != nil {
		return h.holding
	}
	return context.Background()
}

// MayAct implements cluster.Shared: it renews the lease, which fails if it is another one's.
func (c *Cluster) MayAct(ctx context.Context) error {
	h := c.current()
	if h == nil {
		return nil
	}
	return c.renewNow(ctx, h)
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

// Release removes the agents and gives the lease back. The namespace goes, too, unless undo records are left in it. The lease is
// renewed up to the last step: the agents of a node that is off take longer to go than it lasts.
func (c *Cluster) Release(ctx context.Context) error {
	h := c.current()
	if h == nil {
		return nil
	}
	err := c.release(ctx, h)
	h.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hold == h {
		c.hold = nil
	}
	return err
}

func (c *Cluster) release(ctx context.Context, h *hold) error {
	if err := c.renewNow(ctx, h); h.lost() != nil { // the new holder needs what is there
		return err
	}
	if err := c.stopAgents(ctx); err != nil {
		return errors.Join(err, c.giveLease(ctx))
	}
	left, err := c.UndoStore().All(ctx)
	if err != nil || len(left) > 0 {
		return errors.Join(err, c.giveLease(ctx))
	}
	return c.removeNamespace(ctx, h)
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
	err := cluster.PollEvery(ctx, lookPause, func(ctx context.Context) (bool, string) {
		var err error
		if there, err = c.client.CoreV1().Namespaces().Create(ctx, wanted, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			there, err = c.client.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
		}
		switch {
		case forbidden(err):
			refused = err
			return true, ""
		case err != nil:
			return false, err.Error()
		case there.DeletionTimestamp != nil: // of the harness before
			return false, "it is being deleted"
		default:
			return true, ""
		}
	})
	if err := errors.Join(err, refused); err != nil {
		return fmt.Errorf("make namespace %s: %w", Namespace, err)
	}
	if there.Labels[managedByLabel] != managedBy {
		return fmt.Errorf("namespace %s of context %s was not made by sparkchaos (it has no label %s=%s), so it is left alone", Namespace,
			c.options.Context, managedByLabel, managedBy)
	}
	return nil
}

func forbidden(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }

// removeNamespace removes the harness's own namespace, if the lease in it is this hold's. Once it is being removed nobody can take
// the lease any more.
func (c *Cluster) removeNamespace(ctx context.Context, h *hold) error {
	namespaces := c.client.CoreV1().Namespaces()
	there, err := namespaces.Get(ctx, Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove namespace %s: %w", Namespace, err)
	}
	if err := c.renewNow(ctx, h); err != nil { // it lasts longer than the next request may take
		return fmt.Errorf("namespace %s is left alone: %w", Namespace, err)
	}
	h.end()
	deleting, cancel := context.WithTimeout(ctx, leaseDuration/2)
	defer cancel()
	err = namespaces.Delete(deleting, Namespace, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(there.UID))})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove namespace %s: %w", Namespace, err)
	}
	err = awaitGone(ctx, func(ctx context.Context) error {
		now, err := namespaces.Get(ctx, Namespace, metav1.GetOptions{})
		if err == nil && now.UID != there.UID { // the next harness's
			return apierrors.NewNotFound(corev1.Resource("namespaces"), Namespace)
		}
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
	return cluster.PollEvery(ctx, lookPause, func(ctx context.Context) (bool, string) {
		err := get(ctx)
		switch {
		case apierrors.IsNotFound(err):
			return true, ""
		case err != nil:
			return false, err.Error()
		default:
			return false, "it is still there"
		}
	})
}

// takeLease takes the lease, or says who has it. A holder counts as dead when it was watched for as long as its lease lasts and did
// not renew it: its clock may be another one.
func (c *Cluster) takeLease(ctx context.Context, run string) error {
	leases := c.client.CoordinationV1().Leases(Namespace)
	held, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		held, err = leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: leaseName, Namespace: Namespace}},
			metav1.CreateOptions{})
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
	h := newHold(taken, stop)
	c.mu.Lock()
	c.hold = h
	c.mu.Unlock()
	go func() {
		defer close(h.done)
		c.renew(renewing, h)
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
func (c *Cluster) renew(ctx context.Context, h *hold) {
	for pause(ctx, renewEvery) == nil {
		_ = c.renewNow(ctx, h) // told by h
		if h.lost() != nil {
			return
		}
	}
}

// renewTimeout bounds one renewal, so that there is time for another one before the lease has run out.
const renewTimeout = 3 * time.Second

// renewPatience is how long renewals may fail until the cluster counts as lost: one more must not end after others may take the lease.
const renewPatience = leaseDuration - renewEvery

// renewNow renews the lease if it is still the hold's. An error without the loss of the lease says that nobody knows.
func (c *Cluster) renewNow(ctx context.Context, h *hold) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.lost(); err != nil {
		return err
	}
	trying, cancel := context.WithTimeoutCause(ctx, renewTimeout, fmt.Errorf("no answer within %v", renewTimeout))
	defer cancel()
	err := c.updateLease(trying, h, func(lease *coordinationv1.Lease) {
		now := metav1.NowMicro()
		lease.Spec.RenewTime = &now
	})
	taken := new(notOursError)
	switch {
	case err == nil:
		h.renewed = wallClock()
		return nil
	case errors.As(err, &taken):
		h.lose(fmt.Errorf("the lease %s/%s was taken by another harness: %w", Namespace, leaseName, err))
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wallClock().Sub(h.renewed) > renewPatience:
		h.lose(fmt.Errorf("the lease %s/%s could not be renewed for %v: %w", Namespace, leaseName, renewPatience, err))
	default:
		return fmt.Errorf("renew the lease %s/%s: %w", Namespace, leaseName, err)
	}
	return h.lost()
}

// notOursError is a lease that is gone or another one's.
type notOursError struct{ err error }

// Error says whose it is.
func (e *notOursError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *notOursError) Unwrap() error { return e.err }

// updateLease changes the lease in the version that was seen to be the hold's. It returns a notOursError if it is not.
func (c *Cluster) updateLease(ctx context.Context, h *hold, change func(*coordinationv1.Lease)) error {
	leases := c.client.CoordinationV1().Leases(Namespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		lease, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return &notOursError{err}
		}
		if err != nil {
			return err
		}
		if err := h.owns(lease); err != nil {
			return &notOursError{err}
		}
		change(lease)
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
		if apierrors.IsNotFound(err) {
			return &notOursError{err}
		}
		return err // as it is, so that a conflict is recognised
	})
}

// giveLease lets go of the lease, so that the next harness need not wait. One that is another's by now is left alone.
func (c *Cluster) giveLease(ctx context.Context) error {
	h := c.current()
	if h == nil {
		return nil
	}
	h.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	err := c.updateLease(ctx, h, func(lease *coordinationv1.Lease) { lease.Spec.HolderIdentity = nil })
	if err != nil {
		return fmt.Errorf("give the lease %s/%s back: %w", Namespace, leaseName, err)
	}
	return nil
}

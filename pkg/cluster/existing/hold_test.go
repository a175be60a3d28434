package existing

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	clienttesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// afterSomeLooks is when what looks again and again has looked several times.
func afterSomeLooks() <-chan time.Time { return time.After(5 * lookPause) }

func held(by string, renewed time.Time) *coordinationv1.Lease {
	at := metav1.NewMicroTime(renewed)
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: leaseName, Namespace: Namespace},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &by, AcquireTime: &at, RenewTime: &at},
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	lab := newFakeLab(t)
	if err := lab.takeLease(ctx, "run-1"); err != nil {
		t.Fatal(err)
	}
	lease, err := lab.client.CoordinationV1().Leases(Namespace).Get(ctx, leaseName, metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity != "me" {
		t.Fatalf("the lease is %+v, %v", lease, err)
	}
	if err := lab.giveLease(ctx); err != nil {
		t.Fatal(err)
	}
	other := &Cluster{client: lab.client, options: lab.options}
	other.options.Holder = "another one"
	if err := other.takeLease(ctx, "run-2"); err != nil {
		t.Errorf("a lease that was given back is not taken: %v", err)
	}
	lab.hold.stop()
	other.hold.stop()
}

func TestALivingHolderIsLeftAlone(t *testing.T) {
	t.Parallel()
	lab := newFakeLab(t, held("a nightly run", time.Now()))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				// The tracker alone: the holder is on another machine.
				_ = lab.client.Tracker().Update(coordinationv1.SchemeGroupVersion.WithResource("leases"), held("a nightly run", time.Now()), Namespace)
			}
		}
	}()
	err := lab.takeLease(context.Background(), "run-1")
	var refused *HeldError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "context lab is held by a nightly run since") {
		t.Errorf("got %v, want a HeldError with the holder", err)
	}
}

func TestALeaseThatIsLostIsTold(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	lab := newFakeLab(t)
	if err := lab.takeLease(ctx, "run-1"); err != nil {
		t.Fatal(err)
	}
	if err := lab.Held(); err != nil {
		t.Errorf("held, and yet: %v", err)
	}
	if err := lab.client.CoordinationV1().Leases(Namespace).Delete(ctx, leaseName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	<-lab.hold.done // at the next renewal
	if err := lab.Held(); err == nil || !strings.Contains(err.Error(), "was taken by another harness") {
		t.Errorf("lost, and yet: %v", err)
	}
	if err := lab.Release(ctx); err == nil {
		t.Error("a cluster that was lost is released without a word")
	}
}

func TestANamespaceOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	lab := newFakeLab(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}})
	if err := lab.Acquire(context.Background(), "run-1"); err == nil || !strings.Contains(err.Error(), "was not made by sparkchaos") {
		t.Errorf("got %v", err)
	}
}

func TestUndoStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	store := newFakeLab(t).UndoStore()
	for run, id := range map[string]string{"run-1": "0001-a", "run-2": "0001-a"} {
		if err := store.Keep(ctx, run, id, []byte("record of "+run)); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Forget(ctx, "run-2", "0001-a"); err != nil {
		t.Fatal(err)
	}
	if err := store.Forget(ctx, "run-2", "0001-a"); err != nil {
		t.Errorf("forgotten twice: %v", err)
	}
	all, err := store.All(ctx)
	if diff := cmp.Diff(map[string]map[string][]byte{"run-1": {"0001-a": []byte("record of run-1")}}, all); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// acquired is a lab that holds its cluster, with the harness's own namespace.
func acquired(t *testing.T) *fakeLab {
	t.Helper()
	lab := newFakeLab(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace, UID: "namespace-1",
		Labels: map[string]string{managedByLabel: managedBy}}}, apiNode("worker-1"))
	if err := lab.takeLease(t.Context(), "run-1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.hold.end)
	return lab
}

// takenBy has another harness take the lease, as it may when ours was silent for too long.
func (l *fakeLab) takenBy(t *testing.T, holder string) {
	t.Helper()
	taken := held(holder, time.Now())
	if err := l.client.Tracker().Update(coordinationv1.SchemeGroupVersion.WithResource("leases"), taken, Namespace); err != nil {
		t.Fatal(err)
	}
}

// lease is the lease as it is.
func (l *fakeLab) lease(t *testing.T) *coordinationv1.Lease {
	t.Helper()
	lease, err := l.client.CoordinationV1().Leases(Namespace).Get(t.Context(), leaseName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// TestReleaseRenewsTheLeaseUntilItsLastStep has the agents take longer to go than the lease lasts.
func TestReleaseRenewsTheLeaseUntilItsLastStep(t *testing.T) {
	t.Parallel()
	lab := acquired(t)
	h := lab.hold
	before := lab.lease(t).Spec.RenewTime.Time
	gone := make(chan struct{})
	lab.client.PrependReactor("delete", "daemonsets", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	lab.client.PrependReactor("get", "daemonsets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		select {
		case <-gone:
			return true, nil, apierrors.NewNotFound(action.GetResource().GroupResource(), agentName)
		default:
			return true, &appsv1.DaemonSet{}, nil
		}
	})
	var deleted []clienttesting.DeleteActionImpl
	var renewing bool // when the namespace is removed
	lab.client.PrependReactor("delete", "namespaces", func(action clienttesting.Action) (bool, runtime.Object, error) {
		deleted = append(deleted, action.(clienttesting.DeleteActionImpl))
		renewing = h.lost() == nil
		return false, nil, nil
	})
	ended := make(chan error, 1)
	go func() { ended <- lab.Release(context.Background()) }()
	for !lab.lease(t).Spec.RenewTime.After(before.Add(2 * renewEvery)) {
		select {
		case err := <-ended:
			t.Fatalf("released while the agents were there: %v", err)
		case <-afterSomeLooks():
		}
	}
	close(gone)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(deleted) != 1 || !renewing || deleted[0].DeleteOptions.Preconditions == nil ||
		*deleted[0].DeleteOptions.Preconditions.UID != "namespace-1" {
		t.Errorf("the namespace was removed by %+v while renewing: %v; want its UID as the precondition", deleted, renewing)
	}
	if err := lab.Release(context.Background()); err != nil {
		t.Errorf("released twice: %v", err)
	}
}

// TestAClusterThatAnotherHarnessTookIsLeftToIt has the lease be taken at every step of a release.
func TestAClusterThatAnotherHarnessTookIsLeftToIt(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]struct{ verb, resource string }{
		"before": {}, "while the agents go": {"delete", "daemonsets"}, "when undo records are looked for": {"list", "configmaps"},
		"at the last step": {"get", "namespaces"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := acquired(t)
			if at.verb == "" {
				lab.takenBy(t, "another one")
			} else {
				lab.client.PrependReactor(at.verb, at.resource, func(clienttesting.Action) (bool, runtime.Object, error) {
					lab.takenBy(t, "another one")
					return false, nil, nil
				})
			}
			if err := lab.Release(context.Background()); err == nil || !strings.Contains(err.Error(), "another one holds it") {
				t.Errorf("released: %v", err)
			}
			if _, err := lab.client.CoreV1().Namespaces().Get(t.Context(), Namespace, metav1.GetOptions{}); err != nil {
				t.Errorf("its namespace: %v", err)
			}
			if holder := *lab.lease(t).Spec.HolderIdentity; holder != "another one" {
				t.Errorf("the lease is held by %q", holder)
			}
		})
	}
}

// TestALeaseOfAnotherIsNotGivenBack covers a holder of the same name that took it later, too.
func TestALeaseOfAnotherIsNotGivenBack(t *testing.T) {
	t.Parallel()
	for _, holder := range []string{"another one", "me"} {
		lab := acquired(t)
		lab.takenBy(t, holder)
		if err := lab.giveLease(t.Context()); err == nil || !strings.Contains(err.Error(), holder+" holds it") {
			t.Errorf("%s: %v", holder, err)
		}
		if now := lab.lease(t).Spec.HolderIdentity; now == nil || *now != holder {
			t.Errorf("%s: the lease is held by %v", holder, now)
		}
	}
}

func TestALeaseIsGivenBackInTheVersionThatWasSeen(t *testing.T) {
	t.Parallel()
	lab := acquired(t)
	conflicts := 0
	lab.client.PrependReactor("update", "leases", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if conflicts++; conflicts > 1 {
			return false, nil, nil
		}
		lab.takenBy(t, "another one") // faster
		return true, nil, apierrors.NewConflict(action.GetResource().GroupResource(), leaseName, errors.New("changed"))
	})
	if err := lab.giveLease(t.Context()); err == nil || *lab.lease(t).Spec.HolderIdentity != "another one" {
		t.Errorf("given back: %v, held by %s", err, *lab.lease(t).Spec.HolderIdentity)
	}
}

// TestNothingIsDoneOnceTheLeaseIsLost has the harness be suspended while another one takes the cluster: no renewal has noticed yet.
func TestNothingIsDoneOnceTheLeaseIsLost(t *testing.T) {
	t.Parallel()
	lab := acquired(t)
	lab.has(t, machine("worker-1", cluster.On, "b1"))
	lab.will(t, cluster.PowerOff, machine("worker-1", cluster.Off, ""))
	if err := lab.MayAct(t.Context()); err != nil || lab.Holding().Err() != nil {
		t.Fatalf("held, and yet: %v", err)
	}
	lab.takenBy(t, "another one")
	if _, err := lab.Do(t.Context(), cluster.PowerOff, "worker-1"); err == nil ||
		!strings.Contains(err.Error(), "nothing was done: the lease "+Namespace+"/"+leaseName+" was taken by another harness") {
		t.Errorf("power-off: %v", err)
	}
	if nodes, err := lab.Nodes(t.Context()); err != nil || nodes[0].Power != cluster.On {
		t.Errorf("the machine: %+v, %v", nodes, err)
	}
	<-lab.Holding().Done() // at once: anyone who waits in the run is told
	if err := context.Cause(lab.Holding()); err == nil || lab.Held() == nil || !strings.Contains(err.Error(), "another one holds it") {
		t.Errorf("lost by %v", err)
	}
	if err := lab.MayAct(t.Context()); err == nil {
		t.Error("a lost cluster may be acted on")
	}
}

// TestARenewalHasATimeOut has an API server that does not answer.
func TestARenewalHasATimeOut(t *testing.T) {
	t.Parallel()
	lab := acquired(t)
	lab.hold.end()
	asked := make(chan time.Duration, 1)
	lab.Cluster.client = waiting{lab.client, asked}
	_ = lab.renewNow(t.Context(), lab.hold) // it is asked with a deadline, which alone matters
	if left := <-asked; left <= 0 || left > renewTimeout {
		t.Errorf("asked with %v left, want at most %v", left, renewTimeout)
	}
	if renewTimeout+renewPatience > leaseDuration {
		t.Errorf("a renewal may end after others may take the lease: %v + %v > %v", renewTimeout, renewPatience, leaseDuration)
	}
}

// waiting tells how much time a request for a lease has.
type waiting struct {
	kubernetes.Interface
	asked chan time.Duration
}

func (w waiting) CoordinationV1() coordinationclient.CoordinationV1Interface {
	return waitingLeases{w.Interface.CoordinationV1(), w.asked}
}

type waitingLeases struct {
	coordinationclient.CoordinationV1Interface
	asked chan time.Duration
}

func (w waitingLeases) Leases(namespace string) coordinationclient.LeaseInterface {
	return waitingLease{w.CoordinationV1Interface.Leases(namespace), w.asked}
}

type waitingLease struct {
	coordinationclient.LeaseInterface
	asked chan time.Duration
}

func (w waitingLease) Update(ctx context.Context, _ *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		w.asked <- 0
	} else {
		w.asked <- time.Until(deadline)
	}
	return nil, errors.New("no answer")
}

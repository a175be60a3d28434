package existing

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

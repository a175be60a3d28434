package launcher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// withUIDs makes a fake clientset give each object that is created a UID, as an API server does.
func withUIDs(client *fake.Clientset) *fake.Clientset {
	client.PrependReactor("create", "*", func(action k8stesting.Action) (bool, runtime.Object, error) {
		object := action.(k8stesting.CreateAction).GetObject().(metav1.Object)
		object.SetUID(types.UID("uid-of-" + object.GetName()))
		return false, nil, nil
	})
	return client
}

func render(t *testing.T, w scenario.Workload) *Objects {
	t.Helper()
	o, err := Render(w, environment(), components.All())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// apply creates all objects, without the pause between components and driver.
func apply(ctx context.Context, client kubernetes.Interface, o *Objects) (history.WorkloadData, error) {
	if err := ApplyComponents(ctx, client, o); err != nil {
		return history.WorkloadData{}, err
	}
	return ApplyDriver(ctx, client, nil, o)
}

func TestApplyCreatesInOrder(t *testing.T) {
	t.Parallel()
	pod := wordCount()
	pod.Driver.Kind = KindPod
	staged := stagedWordCount()
	staged.StagingServer.URL, staged.StagingServer.Credentials = "s3://bucket", []string{"AWS_ACCESS_KEY_ID"}
	for _, tc := range []struct {
		workload scenario.Workload
		between  []string // the frame and the driver
		last     string
		kind     string
	}{
		{wordCount(), []string{"create configmaps"}, "jobs", KindJob},
		{pod, []string{"create configmaps"}, "pods", KindPod},
		{stagedWordCount(), []string{
			"create configmaps", "create serviceaccounts", "create roles", "create rolebindings", "create persistentvolumeclaims",
			"create secrets", "create services", "create deployments",
		}, "jobs", KindJob},
		{staged, []string{
			"create configmaps", "create serviceaccounts", "create roles", "create rolebindings", "create secrets", "create secrets",
			"create services", "create deployments",
		}, "jobs", KindJob},
	} {
		client := withUIDs(fake.NewClientset())
		got, err := apply(t.Context(), client, render(t, tc.workload))
		if err != nil {
			t.Fatal(err)
		}
		want := history.WorkloadData{
			Namespace: "run-1", DriverKind: tc.kind, DriverName: "wordcount-driver", DriverUID: "uid-of-wordcount-driver",
			RunLabel: environment().RunID, Image: environment().Image,
			LaunchedBy: history.Object{Kind: tc.kind, Namespace: "run-1", Name: "wordcount-driver", UID: "uid-of-wordcount-driver"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("workload (-want +got):\n%s", diff)
		}
		var order []string
		for _, action := range client.Actions() {
			order = append(order, action.GetVerb()+" "+action.GetResource().Resource)
		}
		wantOrder := slices.Concat([]string{
			"create namespaces", "create serviceaccounts", "create roles", "create rolebindings", "create configmaps",
			"create persistentvolumeclaims",
		}, tc.between, []string{"create " + tc.last})
		if diff := cmp.Diff(wantOrder, order); diff != "" {
			t.Errorf("what was done (-want +got):\n%s", diff)
		}
	}
}

func TestApplySaysWhoseAnExistingObjectIs(t *testing.T) {
	t.Parallel()
	made := metav1.NewTime(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	for _, tc := range []struct {
		name   string
		labels map[string]string
		want   string
	}{
		{"another run", map[string]string{RunLabel: "other"}, "belongs to run other"},
		{"this run", map[string]string{RunLabel: environment().RunID}, "belongs to this very run"},
		{"a stranger", nil, "was not made by sparkchaos"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			meta := metav1.ObjectMeta{Name: "run-1", Labels: tc.labels, CreationTimestamp: made}
			client := fake.NewClientset(&corev1.Namespace{ObjectMeta: meta})
			_, err := apply(t.Context(), client, render(t, wordCount()))
			if !apierrors.IsAlreadyExists(err) || !strings.Contains(err.Error(), tc.want) ||
				!strings.Contains(err.Error(), "create Namespace run-1: it exists since 2026-11-23T09:00:00Z") {
				t.Errorf("Apply = %v, want that the namespace exists, since when, and %q", err, tc.want)
			}
			meta.Name, meta.Namespace = "wordcount-driver", "run-1"
			client = fake.NewClientset(&batchv1.Job{ObjectMeta: meta})
			_, err = apply(t.Context(), client, render(t, wordCount()))
			if !apierrors.IsAlreadyExists(err) || !strings.Contains(err.Error(), "create Job run-1/wordcount-driver") ||
				!strings.Contains(err.Error(), tc.want) {
				t.Errorf("Apply = %v, want that the job exists and %q", err, tc.want)
			}
		})
	}
}

func TestApplyStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset()
	refused := errors.New("quota exceeded")
	client.PrependReactor("create", "rolebindings", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, refused })
	_, err := apply(t.Context(), client, render(t, wordCount()))
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), "create RoleBinding run-1/spark-driver") {
		t.Errorf("Apply = %v, want the refusal and the object's name", err)
	}
	if jobs, err := client.BatchV1().Jobs("").List(t.Context(), metav1.ListOptions{}); err != nil || len(jobs.Items) != 0 {
		t.Errorf("%d jobs, %v; want none after an error before it", len(jobs.Items), err)
	}
}

func TestApplyStartsTheDriverWhenTheRestIsReady(t *testing.T) {
	t.Parallel()
	w := wordCount()
	w.ShuffleService = scenario.ShuffleService{Enabled: true}
	client := withUIDs(fake.NewClientset())
	if err := ApplyComponents(t.Context(), client, render(t, w)); err != nil {
		t.Fatal(err)
	}
	daemons, err := client.AppsV1().DaemonSets("run-1").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(daemons.Items) != 1 {
		t.Errorf("%d daemon sets, %v; want the shuffle service before the driver", len(daemons.Items), err)
	}
	if jobs, err := client.BatchV1().Jobs("").List(t.Context(), metav1.ListOptions{}); err != nil || len(jobs.Items) != 0 {
		t.Errorf("%d jobs, %v; want none while what the driver needs is not ready", len(jobs.Items), err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	ours := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "run-1", UID: "1", Labels: map[string]string{RunLabel: "r"}}}
	client := fake.NewClientset(ours)
	if err := Delete(t.Context(), client, "run-1", "other"); err == nil ||
		!strings.Contains(err.Error(), "belongs to run r, so it is left alone") {
		t.Errorf("Delete of another run's namespace = %v, want a refusal that names its run", err)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), "run-1", metav1.GetOptions{}); err != nil {
		t.Fatalf("the other run's namespace: %v, want it untouched", err)
	}
	if err := Delete(t.Context(), client, "run-1", "r"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), "run-1", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace after Delete: %v, want that it is not found", err)
	}
	if err := Delete(t.Context(), client, "run-1", "r"); err != nil {
		t.Errorf("Delete of what is gone = %v, want nil", err)
	}
	for _, action := range client.Actions() {
		if d, ok := action.(k8stesting.DeleteActionImpl); ok {
			if p := d.DeleteOptions.Preconditions; p == nil || p.UID == nil || *p.UID != "1" {
				t.Errorf("deleted with preconditions %v, want the UID that was looked at", p)
			}
		}
	}
}

func TestDeleteSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "run-1", Labels: map[string]string{RunLabel: "r"}}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "driver", Namespace: "run-1"}, Spec: corev1.PodSpec{NodeName: "worker-2"}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "exec-1", Namespace: "run-1"}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "shared", Namespace: "run-1"}},
	)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client.PrependReactor("delete", "namespaces", func(k8stesting.Action) (bool, runtime.Object, error) {
		cancel()
		return true, nil, nil
	})
	err := Delete(ctx, client, "run-1", "r")
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Delete = %v, want that its context ended", err)
	}
	for _, want := range []string{"Namespace run-1", "Pod driver on worker-2", "Pod exec-1 on no node", "PersistentVolumeClaim shared"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// stays is what happens to objects of a node that is off.
func stays(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil }

func TestEmptyDoesNotWaitForTheNamespaceItself(t *testing.T) {
	t.Parallel()
	meta := metav1.ObjectMeta{Name: "x", Namespace: "run-1"}
	client := fake.NewClientset(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "run-1", Labels: map[string]string{RunLabel: "r"}}},
		&batchv1.Job{ObjectMeta: meta}, &appsv1.DaemonSet{ObjectMeta: meta}, &corev1.Pod{ObjectMeta: meta},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta},
	)
	client.PrependReactor("delete", "namespaces", stays) // for five seconds
	client.PrependReactor("delete-collection", "*", func(action k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, client.Tracker().Delete(action.GetResource(), action.GetNamespace(), meta.Name)
	})
	if err := Empty(t.Context(), client, "run-1", "other"); err == nil {
		t.Error("another run's namespace was emptied")
	}
	if left, err := Contents(t.Context(), client, "run-1"); err != nil || len(left) != 4 {
		t.Errorf("after a refusal %v are left, %v; want all 4", left, err)
	}
	if err := Empty(t.Context(), client, "run-1", "r"); err != nil {
		t.Error(err)
	}
	if left, err := Contents(t.Context(), client, "run-1"); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

func TestDeleteOutlastsAnAPIServerThatIsAway(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "run-1", Labels: map[string]string{RunLabel: "r"}}})
	asked := 0
	client.PrependReactor("get", "namespaces", func(k8stesting.Action) (bool, runtime.Object, error) {
		asked++
		return asked == 2, nil, errors.New("connection refused")
	})
	if err := Delete(t.Context(), client, "run-1", "r"); err != nil {
		t.Errorf("Delete = %v, want nil", err)
	}
	if asked != 3 {
		t.Errorf("asked %d times for the namespace, want 3", asked)
	}
}

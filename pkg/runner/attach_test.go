package runner_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/anchor"
	"github.com/sparkchaos/sparkchaos/pkg/check"
	faultcatalogue "github.com/sparkchaos/sparkchaos/pkg/faults/catalogue"
	"github.com/sparkchaos/sparkchaos/pkg/plan"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

const attachedScenario = `
apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: attached}
spec:
  workload:
    application: {name: orders}
    launcher: attach
    attach: {namespace: etl, driver: app=orders, executors: app=orders-executor, within: 5s}
  faults:
  - name: kill-an-executor
    inject: {podKill: {pod: {of: executor, index: 0}}}
    when: {driverRunning: {}}
  expect:
  - applicationIdsUnique: {}
  - executorReplaced: {within: 1m}
  - nothingLeftBehind: {}
  settle: 1s
`

func attachedPlan(t *testing.T) *plan.Plan {
	t.Helper()
	catalogue := scenario.Catalogue{Faults: faultcatalogue.All().Entries(), Anchors: anchor.Entries(), Invariants: check.Entries()}
	s, err := scenario.Load("attached.yaml", []byte(attachedScenario), catalogue)
	if err != nil {
		t.Fatal(err)
	}
	can, err := new(fakeworld.World).Kind().Can()
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(s, 7, can, catalogue)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// create makes an object of somebody else's and returns it.
func create(t *testing.T, w *fakeworld.World, resource schema.GroupVersionResource, object any) *unstructured.Unstructured {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	made, err := w.API.Create(resource, &unstructured.Unstructured{Object: fields})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// startSomebodyElses starts an application in client mode: the pod of a Job, and executors that it does not own.
func startSomebodyElses(t *testing.T, w *fakeworld.World) {
	t.Helper()
	create(t, w, fakekube.Namespaces(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "etl"}})
	main := corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "orders:1"}}}
	create(t, w, fakekube.Jobs(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "etl"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "orders"}}, Spec: main,
		}},
	})
	for len(podsOf(w, "orders")) == 0 {
		<-w.API.Changed()
	}
	for _, name := range []string{"exec-1", "exec-2"} {
		create(t, w, fakekube.Pods(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "etl", Labels: map[string]string{
				"app": "orders-executor", "spark-app-selector": "spark-1", "spark-exec-id": strings.TrimPrefix(name, "exec-"),
			}},
			Spec: main,
		})
	}
	for len(podsOf(w, "orders-executor")) < 2 {
		<-w.API.Changed()
	}
}

// podsOf returns the names of the pods that run and have a label.
func podsOf(w *fakeworld.World, app string) []string {
	var names []string
	for _, pod := range w.API.List(fakekube.Pods(), "etl") {
		phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
		if pod.GetLabels()["app"] == app && phase == string(corev1.PodRunning) && pod.GetDeletionTimestamp() == nil {
			names = append(names, pod.GetName())
		}
	}
	return names
}

// A fault is injected into an application that somebody else started, and nothing else of it is touched.
func TestAFaultIsInjectedIntoAnApplicationOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{Idle: true})
	startSomebodyElses(t, w)
	driver := podsOf(w, "orders")
	var mu sync.Mutex
	var changes []string
	w.Reached = func(_ context.Context, point string) {
		mu.Lock()
		defer mu.Unlock()
		if !strings.Contains(point, "selfsubjectaccessreviews") {
			changes = append(changes, point)
		}
	}
	o := optionsIn(t, w, attachedPlan(t))
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil || finished.LeftBehind != nil {
		t.Fatal(err, finished.Err, finished.LeftBehind)
	}
	got := judged(t, finished.Directory)
	want := map[string]check.Verdict{
		"applicationIdsUnique": check.Pass, "executorReplaced": check.Inconclusive, "nothingLeftBehind": check.Pass,
	}
	for _, result := range got.Results {
		if result.Verdict != want[result.Invariant] {
			t.Errorf("%s is %s (%s), want %s", result.Invariant, result.Verdict, result.Message, want[result.Invariant])
		}
	}
	if len(got.Faults) != 1 || !got.Faults[0].Landed {
		t.Errorf("faults %+v, want one that landed", got.Faults)
	}
	if left := podsOf(w, "orders"); !slices.Equal(left, driver) {
		t.Errorf("drivers are %v, want %v", left, driver)
	}
	if left := podsOf(w, "orders-executor"); !slices.Equal(left, []string{"exec-2"}) {
		t.Errorf("executors are %v, want the second alone", left)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(changes, []string{"DELETE /api/v1/namespaces/etl/pods/exec-1"}) {
		t.Errorf("changed was %q, want the executor alone", changes)
	}
	open, err := openIn(finished.Directory, o.Active)
	if err != nil || len(open) > 0 {
		t.Errorf("open are %v, %v", open, err)
	}
}

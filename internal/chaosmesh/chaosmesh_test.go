package chaosmesh

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/version"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

func TestRenderAdaptsTheChart(t *testing.T) {
	t.Parallel()
	parts := Parts{Chart: "testdata/chart", Image: "docker.io/sparkchaos/chaos-mesh:1-abc"}
	objects, err := parts.render(&version.Info{GitVersion: "v1.36.3", Major: "1", Minor: "36"})
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 {
		t.Fatalf("%d objects, want 2: notes are none", len(objects))
	}
	var daemon appsv1.DaemonSet
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[0].Object, &daemon); err != nil {
		t.Fatal(err)
	}
	pod := daemon.Spec.Template.Spec
	if pod.Containers[0].Image != parts.Image {
		t.Errorf("image %q, want %q", pod.Containers[0].Image, parts.Image)
	}
	if pod.Volumes[0].HostPath == nil || pod.Volumes[1].HostPath != nil || pod.Volumes[1].EmptyDir == nil {
		t.Errorf("volumes %+v: only the kernel's modules are to be left out", pod.Volumes)
	}
	if objects[1].GetName() != "kubernetes-36" {
		t.Errorf("the chart was rendered for %q", objects[1].GetName())
	}
}

func TestDefinitionsThatAreNotThereAreAnError(t *testing.T) {
	t.Parallel()
	if _, err := (Parts{CRDs: t.TempDir()}).definitions(); err == nil || !strings.Contains(err.Error(), "components build chaos-mesh") {
		t.Errorf("got %v", err)
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "x.yaml"), []byte("a: ]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Parts{CRDs: broken}).definitions(); err == nil || !strings.Contains(err.Error(), "x.yaml") {
		t.Errorf("got %v", err)
	}
}

func TestTheServiceLeadsToTheControlPlane(t *testing.T) {
	t.Parallel()
	service := corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: metav1.ObjectMeta{Name: managerService},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"a": "b"}, Ports: []corev1.ServicePort{
			{Name: "webhook", Port: 443, TargetPort: intstr.FromString("webhook")}, {Name: "plain", Port: 80, TargetPort: intstr.FromInt32(81)},
			{Name: "nowhere", Port: 1, TargetPort: intstr.FromString("nowhere")},
		}},
	}
	deployment := appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "webhook", ContainerPort: 10250}}}}}}}}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&service)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := leadTo("10.0.0.1", deployment, []*unstructured.Unstructured{{Object: content}})
	if err != nil || len(objects) != 2 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	if _, found, _ := unstructured.NestedMap(objects[0].Object, "spec", "selector"); found {
		t.Error("the service still selects pods")
	}
	slice := endpoints(service, deployment, "10.0.0.1")
	ports := map[string]int32{}
	for _, port := range slice.Ports {
		ports[*port.Name] = *port.Port
	}
	if diff := cmp.Diff(map[string]int32{"webhook": 10250, "plain": 81}, ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if _, err := leadTo("10.0.0.1", deployment, nil); err == nil {
		t.Error("a chart without the service is accepted")
	}
}

// fakeCluster is a client whose API server keeps what it is given.
func fakeCluster(objects ...*unstructured.Unstructured) (*Client, *dynamicfake.FakeDynamicClient) {
	lists := map[schema.GroupVersionResource]string{definitionResource(): "CustomResourceDefinitionList"}
	for _, kind := range append(kinds(), v1alpha1.KindPodNetworkChaos, v1alpha1.KindPodHttpChaos, v1alpha1.KindPodIOChaos) {
		lists[resourceOf(kind)] = kind + "List"
	}
	client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists)
	for _, object := range objects {
		where := resourceOf(object.GetKind())
		if object.GetKind() == "CustomResourceDefinition" {
			where = definitionResource()
		}
		if err := client.Tracker().Create(where, object, object.GetNamespace()); err != nil {
			panic(err) // the objects are this test's own
		}
	}
	return &Client{dynamic: client, kube: kubefake.NewClientset(), recoverWithin: 50 * time.Millisecond, freeWithin: 50 * time.Millisecond,
		startWithin: 50 * time.Millisecond}, client
}

func partition() *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{
		"conditions": []any{map[string]any{"type": "AllInjected", "status": "False"}, map[string]any{"type": "Selected", "status": "True"}},
		"experiment": map[string]any{"containerRecords": []any{map[string]any{
			"id": "run/driver", "selectorKey": ".", "phase": "Not Injected", "injectedCount": int64(0), "recoveredCount": int64(0),
			"events": []any{map[string]any{"type": "Failed", "operation": "Apply", "message": "no netem", "timestamp": nil}},
		}}},
	}}}
	object.SetAPIVersion(v1alpha1.SchemeGroupVersion.String())
	object.SetKind(v1alpha1.KindNetworkChaos)
	object.SetNamespace("run")
	object.SetName("part")
	object.SetUID("uid")
	object.SetLabels(map[string]string{RunLabel: "run"})
	object.SetFinalizers([]string{"chaos-mesh/records"})
	return object
}

func resource() Resource {
	return Resource{Kind: v1alpha1.KindNetworkChaos, Namespace: "run", Name: "part", UID: "uid", Pods: []string{"driver"}}
}

func TestStateTellsTheTrouble(t *testing.T) {
	t.Parallel()
	c, _ := fakeCluster(partition())
	state, err := c.State(t.Context(), resource())
	if err != nil || state.Injected || !state.Selected || state.Trouble() != "no netem" {
		t.Errorf("state %+v, %v", state, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.AwaitInjected(ctx, resource()); err == nil || !strings.Contains(err.Error(), "no netem") {
		t.Errorf("got %v, want what Chaos Mesh recorded", err)
	}
	other := resource()
	other.UID = "another"
	if _, err := c.State(t.Context(), other); err == nil {
		t.Error("another resource of the name is taken for it")
	}
}

func TestAResourceThatGoesIsNotForced(t *testing.T) {
	t.Parallel()
	c, _ := fakeCluster(partition())
	for round := range 2 {
		freed, err := c.Delete(t.Context(), resource())
		if err != nil || len(freed.Forced) > 0 {
			t.Errorf("round %d: %+v, %v", round, freed, err)
		}
	}
}

// A resource whose finalizer stays goes only when it is taken away.
func TestAResourceThatHangsIsFreed(t *testing.T) {
	t.Parallel()
	share := &unstructured.Unstructured{}
	share.SetAPIVersion(v1alpha1.SchemeGroupVersion.String())
	share.SetKind(v1alpha1.KindPodNetworkChaos)
	share.SetNamespace("run")
	share.SetName("driver")
	c, client := fakeCluster(partition(), share)
	where := resourceOf(v1alpha1.KindNetworkChaos)
	client.PrependReactor("delete", where.Resource, func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	client.PrependReactor("patch", where.Resource, func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, partition(), client.Tracker().Delete(where, "run", "part")
	})
	freed, err := c.Delete(t.Context(), resource())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"it was still there 50ms after its deletion", "PodNetworkChaos of pod driver was deleted", "its finalizers were removed"}
	if diff := cmp.Diff(want, freed.Forced); diff != "" {
		t.Errorf("forced (-want +got):\n%s", diff)
	}
	left, err := c.OfRun(t.Context(), "run")
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// Without its resource nobody would start the machine again.
func TestTheResourceOfAMachineIsNeverForced(t *testing.T) {
	t.Parallel()
	stop := &unstructured.Unstructured{}
	stop.SetAPIVersion(v1alpha1.SchemeGroupVersion.String())
	stop.SetKind(v1alpha1.KindAWSChaos)
	stop.SetNamespace(Namespace)
	stop.SetName("stop")
	stop.SetFinalizers([]string{"chaos-mesh/records"})
	c, client := fakeCluster(stop)
	client.PrependReactor("delete", "awschaos", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
	freed, err := c.Delete(t.Context(), Resource{Kind: v1alpha1.KindAWSChaos, Namespace: Namespace, Name: "stop"})
	if err == nil || !strings.Contains(err.Error(), "was not gone within") || len(freed.Forced) > 0 {
		t.Errorf("%+v, %v", freed, err)
	}
	for _, action := range client.Actions() {
		if action.GetVerb() == "patch" {
			t.Error("its finalizers were touched")
		}
	}
}

func TestResourcesAreFoundByTheirRun(t *testing.T) {
	t.Parallel()
	c, _ := fakeCluster(partition())
	for run, want := range map[string]int{"run": 1, "another": 0} {
		found, err := c.OfRun(t.Context(), run)
		if err != nil || len(found) != want {
			t.Errorf("run %s: %v, %v", run, found, err)
		}
	}
}

func TestAnInstallationOfSomebodyElseIsLeft(t *testing.T) {
	t.Parallel()
	definition := &unstructured.Unstructured{}
	definition.SetAPIVersion("apiextensions.k8s.io/v1")
	definition.SetKind("CustomResourceDefinition")
	definition.SetName("podchaos.chaos-mesh.org")
	c, _ := fakeCluster(definition)
	c.kube = kubefake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}})
	var foreign *ForeignError
	if _, err := c.Uninstall(t.Context(), nil); !errors.As(err, &foreign) {
		t.Errorf("uninstall: %v", err)
	}
	if err := c.Install(t.Context(), Parts{}, nil, func(string) {}); !errors.As(err, &foreign) {
		t.Errorf("install: %v", err)
	}
	if _, err := c.kube.CoreV1().Namespaces().Get(t.Context(), Namespace, metav1.GetOptions{}); err != nil {
		t.Errorf("its namespace: %v", err)
	}
}

// A resource that ought to be refused and is not shows that there is no webhook.
func TestAWebhookThatIsAwayIsNoticed(t *testing.T) {
	t.Parallel()
	c, client := fakeCluster()
	if err := c.askWebhook(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no webhook") {
		t.Errorf("got %v", err)
	}
	for said, works := range map[string]bool{
		`admission webhook "vpodchaos.kb.io" denied the request: bad duration`: true,
		`failed calling webhook "vpodchaos.kb.io": connection refused`:         false,
	} {
		client.PrependReactor("create", "podchaos", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New(said) })
		if err := c.askWebhook(t.Context()); (err == nil) != works {
			t.Errorf("%s: %v", said, err)
		}
	}
}

// While a set is rolled out its old daemons are ready, too, and go next.
func TestDaemonsThatAreCurrent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		observed int64
		status   appsv1.DaemonSetStatus
		want     int
	}{
		"nobody looked at the change yet": {1, appsv1.DaemonSetStatus{NumberReady: 3, UpdatedNumberScheduled: 3}, 0},
		"the old ones are ready":          {2, appsv1.DaemonSetStatus{NumberReady: 3, UpdatedNumberScheduled: 1}, 1},
		"the last one starts":             {2, appsv1.DaemonSetStatus{NumberReady: 2, UpdatedNumberScheduled: 3}, 2},
		"all are rolled out":              {2, appsv1.DaemonSetStatus{NumberReady: 3, UpdatedNumberScheduled: 3}, 3},
	} {
		c.status.ObservedGeneration = c.observed
		set := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Status: c.status}
		if got := current(set); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

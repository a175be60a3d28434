package sparkoperator

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	discoveryfake "k8s.io/client-go/discovery/fake"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/chart"
)

func parts() Parts {
	return Parts{Chart: "testdata/chart", Image: "docker.io/sparkchaos/spark-operator:1-abc"}
}

func TestTheChartGetsItsValues(t *testing.T) {
	t.Parallel()
	objects, err := parts().render(&version.Info{GitVersion: "v1.36.3", Major: "1", Minor: "36"})
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 1 {
		t.Fatalf("%d objects, want the controller alone: %v", len(objects), objects)
	}
	var controller appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[0].Object, &controller); err != nil {
		t.Fatal(err)
	}
	pod := controller.Spec.Template.Spec
	if got := pod.Containers[0]; got.Image != parts().Image || got.ImagePullPolicy != corev1.PullNever ||
		!cmp.Equal(got.Args, []string{"--namespaces=", "--leader-election=false"}) || len(got.Env) != 1 || got.Env[0].Name != "SPARK_LOCAL_IP" {
		t.Errorf("got container %+v", got)
	}
	for _, toleration := range pod.Tolerations {
		if toleration.TolerationSeconds == nil || *toleration.TolerationSeconds != tolerationSeconds {
			t.Errorf("got toleration %+v, by which the operator is lost with its node", toleration)
		}
	}
	if len(pod.Tolerations) != 2 || pod.PriorityClassName != "system-cluster-critical" {
		t.Errorf("got pod %+v", pod)
	}
}

func TestDefinitionsHaveNoDescriptions(t *testing.T) {
	t.Parallel()
	objects, err := parts().definitions()
	if err != nil || len(objects) != 1 {
		t.Fatal(objects, err)
	}
	encoded, err := yaml.Marshal(objects[0].Object)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(encoded), "explains") || !strings.Contains(string(encoded), "description:\n            type: string") {
		t.Errorf("got\n%s", encoded)
	}
	_, err = Parts{Chart: t.TempDir()}.definitions()
	if err == nil || !strings.Contains(err.Error(), "sparkchaos components build spark-operator") {
		t.Errorf("without files: got %v", err)
	}
}

// fakeCluster serves the API when its definition is applied, and runs the pods of a deployment at once.
type fakeCluster struct {
	kube    *kubefake.Clientset
	applied []string
}

// newFakeCluster returns a client of a cluster that knows the built-in kinds alone, and the operator's if served.
func newFakeCluster(t *testing.T, served bool, objects ...runtime.Object) (*Client, *fakeCluster) {
	t.Helper()
	f := &fakeCluster{kube: kubefake.NewClientset(objects...)}
	f.kube.Discovery().(*discoveryfake.FakeDiscovery).FakedServerVersion = &version.Info{GitVersion: "v1.36.3", Major: "1", Minor: "36"}
	f.kube.Resources = []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "namespaces", Kind: "Namespace"}}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{{Name: "deployments", Kind: "Deployment", Namespaced: true}}},
		{GroupVersion: "apiextensions.k8s.io/v1", APIResources: []metav1.APIResource{
			{Name: "customresourcedefinitions", Kind: "CustomResourceDefinition"}}},
	}
	if served {
		f.serve()
	}
	client := dynamicfake.NewSimpleDynamicClient(runtime.NewScheme())
	client.PrependReactor("patch", "*", func(action k8stesting.Action) (bool, runtime.Object, error) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(action.(k8stesting.PatchAction).GetPatch(), &object.Object); err != nil {
			return true, nil, err
		}
		f.applied = append(f.applied, object.GetKind()+" "+action.GetNamespace()+"/"+object.GetName())
		return true, object, f.control(object)
	})
	return &Client{kube: f.kube, applier: chart.NewApplier(client, f.kube.Discovery(), Namespace, managedBy)}, f
}

func (f *fakeCluster) serve() {
	f.kube.Resources = append(f.kube.Resources, &metav1.APIResourceList{GroupVersion: API})
}

// control does what the controllers of a cluster do about an object.
func (f *fakeCluster) control(object *unstructured.Unstructured) error {
	switch object.GetKind() {
	case "Namespace":
		return f.kube.Tracker().Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: object.GetName(), Labels: object.GetLabels()}})
	case "CustomResourceDefinition":
		f.serve()
	case "Deployment":
		var d appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &d); err != nil {
			return err
		}
		d.Status = appsv1.DeploymentStatus{UpdatedReplicas: 1, ReadyReplicas: 1}
		return f.kube.Tracker().Add(&d)
	}
	return nil
}

func TestInstall(t *testing.T) {
	t.Parallel()
	client, cluster := newFakeCluster(t, false)
	for range 2 { // the second time there is nothing to do
		if err := client.Install(t.Context(), parts()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"Namespace /spark-operator", "CustomResourceDefinition /sparkapplications.sparkoperator.k8s.io",
		"Deployment spark-operator/spark-operator-controller"}
	if diff := cmp.Diff(want, cluster.applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	status, err := client.Status(t.Context())
	if diff := cmp.Diff(Status{Served: true, Ours: true, Version: "0.0.1", Ready: true}, status); diff != "" || err != nil {
		t.Errorf("%v, status (-want +got):\n%s", err, diff)
	}
}

func TestWhatSomebodyElseInstalledIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	client, cluster := newFakeCluster(t, true)
	status, err := client.Status(t.Context())
	if err != nil || !status.Foreign() || status.Works() {
		t.Errorf("got %+v, %v", status, err)
	}
	if err := client.Install(t.Context(), parts()); err != nil || len(cluster.applied) > 0 {
		t.Errorf("applied %v, %v", cluster.applied, err)
	}
	client, cluster = newFakeCluster(t, false, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}})
	err = client.Install(t.Context(), parts())
	if err == nil || !strings.Contains(err.Error(), "namespace spark-operator that sparkchaos did not make") || len(cluster.applied) > 0 {
		t.Errorf("applied %v, got %v", cluster.applied, err)
	}
}

func TestAStatusSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace, Labels: map[string]string{chart.ManagedByLabel: managedBy}}}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "controller"}}
	pod := func(status corev1.PodStatus) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "p"}, Status: status}
	}
	waiting := corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImageNeverPull", Message: "no such image"}}}}}
	unscheduled := corev1.PodStatus{Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes"}}}
	for name, c := range map[string]struct {
		served  bool
		objects []runtime.Object
		want    string
	}{
		"nothing":        {false, nil, "kubeflow's spark-operator is not installed"},
		"no definitions": {false, []runtime.Object{namespace, deployment}, "the cluster does not serve sparkoperator.k8s.io/v1beta2"},
		"no deployment":  {true, []runtime.Object{namespace}, "not ready: there is no deployment in namespace spark-operator"},
		"no pod":         {true, []runtime.Object{namespace, deployment}, "not ready: deployment controller has no ready pod"},
		"no image":       {true, []runtime.Object{namespace, deployment, pod(waiting)}, "not ready: pod p is waiting: no such image"},
		"no room":        {true, []runtime.Object{namespace, deployment, pod(unscheduled)}, "not ready: pod p is not scheduled: 0/3 nodes"},
	} {
		client, _ := newFakeCluster(t, c.served, c.objects...)
		status, err := client.Status(t.Context())
		if err != nil || !strings.Contains(status.String(), c.want) || status.Works() {
			t.Errorf("%s: got %q, %v, want %q in it", name, status, err, c.want)
		}
	}
}

package owners

import (
	"errors"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/server"
)

func TestFind(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"app": "a", "spark-role": "driver"}
	more := map[string]string{"app": "a", "spark-role": "driver", "job-name": "j"}
	other := map[string]string{"app": "b", "spark-role": "driver"}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}}
	pod := func(namespace string, labels map[string]string) runtime.Object {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "p", Labels: labels}}
	}
	job := func(labels map[string]string) runtime.Object {
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "j"}}
		j.Spec.Template.Labels = labels
		return j
	}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "ns", errors.New("no"))
	for name, tc := range map[string]struct {
		objects []runtime.Object
		fails   map[string]error // by resource
		owned   bool
		what    string // part of the finding, or of the error
	}{
		"a pod":                        {[]runtime.Object{namespace, pod("ns", more)}, nil, true, "pod p"},
		"a pod of another application": {[]runtime.Object{namespace, pod("ns", other)}, nil, false, "no pod"},
		"a pod elsewhere":              {[]runtime.Object{namespace, pod("elsewhere", labels)}, nil, false, "no pod"},
		"a job between two pods":       {[]runtime.Object{namespace, job(more)}, nil, true, "job j"},
		"a job of another application": {[]runtime.Object{namespace, job(other)}, nil, false, "no job"},
		"no namespace":                 {nil, nil, false, "namespace ns does not exist"},
		"namespaces are not granted":   {[]runtime.Object{pod("ns", labels)}, map[string]error{"namespaces": forbidden}, true, "pod p"},
		"API server down":              {[]runtime.Object{namespace}, map[string]error{"namespaces": errors.New("refused")}, false, "refused"},
		"pods are not granted":         {[]runtime.Object{namespace}, map[string]error{"pods": forbidden}, false, "list on pods"},
		"jobs are not granted":         {[]runtime.Object{namespace}, map[string]error{"jobs": forbidden}, false, "list on jobs.batch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := fake.NewClientset(tc.objects...)
			for resource, err := range tc.fails {
				client.PrependReactor("*", resource, func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, err })
			}
			var finding server.Finding
			census, err := New(client).Look(t.Context(), "ns")
			said := ""
			if err != nil {
				said = err.Error()
			} else {
				finding = census.Find(staging.Owner{Namespace: "ns", Labels: labels, Type: staging.OwnerTypePod})
				said = finding.What
			}
			if finding.Owned != tc.owned || !strings.Contains(said, tc.what) {
				t.Errorf("owned %t, %q, error %v; want %t and %q", finding.Owned, finding.What, err, tc.owned, tc.what)
			}
			_, namespaceMayFail := tc.fails["namespaces"]
			if wantError := len(tc.fails) > 0 && !(namespaceMayFail && tc.owned); (err != nil) != wantError {
				t.Errorf("error %v, want one: %t", err, wantError)
			}
		})
	}
}

// Each list is read to its last page, and each kind of object is asked for once however many bundles there are.
func TestLookReadsAllPages(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}})
	asked := 0
	client.PrependReactor("list", "pods", func(action k8stesting.Action) (bool, runtime.Object, error) {
		list := &corev1.PodList{}
		if asked++; asked < 3 {
			list.Continue = "more"
		} else {
			list.Items = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "last", Labels: map[string]string{"a": "b"}}}}
		}
		return true, list, nil
	})
	census, err := New(client).Look(t.Context(), "ns")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		finding := census.Find(staging.Owner{Namespace: "ns", Labels: map[string]string{"a": "b"}})
		if !finding.Owned || finding.What != "pod last" {
			t.Fatalf("finding %+v, want pod last", finding)
		}
	}
	if n := len(client.Actions()); n != 5 {
		t.Errorf("%d calls, want the namespace, three pages of pods and one of jobs: %v", n, client.Actions())
	}
}

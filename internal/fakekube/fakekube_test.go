package fakekube_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
)

// served is a server with its two clients and the namespace shop.
type served struct {
	api     *fakekube.API
	typed   kubernetes.Interface
	dynamic dynamic.Interface
}

func serve(t *testing.T, options fakekube.Options) served {
	t.Helper()
	s := served{api: fakekube.New(options)}
	config := fakekube.Serve(t, s.api)
	var err, err2 error
	s.typed, err = kubernetes.NewForConfig(config)
	s.dynamic, err2 = dynamic.NewForConfig(config)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	must(t)(s.typed.CoreV1().Namespaces().Create(t.Context(), shop, metav1.CreateOptions{}))
	return s
}

// must fails the test if the second value of a call is an error.
func must(t *testing.T) func(any, error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func pod(name, node string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: corev1.PodSpec{NodeName: node}}
}

func (s served) createPod(t *testing.T, p *corev1.Pod) *corev1.Pod {
	t.Helper()
	made, err := s.typed.CoreV1().Pods("shop").Create(t.Context(), p, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (s served) podNames(t *testing.T, options metav1.ListOptions) []string {
	t.Helper()
	list, err := s.typed.CoreV1().Pods("").List(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pod := range list.Items {
		names = append(names, pod.Name)
	}
	return names
}

func TestLifeOfAnObject(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	ctx, pods := t.Context(), s.typed.CoreV1().Pods("shop")
	made := s.createPod(t, pod("a", "", map[string]string{"role": "x"}))
	if made.UID == "" || made.ResourceVersion == "" || made.CreationTimestamp.IsZero() || made.Namespace != "shop" {
		t.Errorf("made %+v", made.ObjectMeta)
	}
	if _, err := pods.Create(ctx, pod("a", "", nil), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		t.Errorf("a second one of its name: %v", err)
	}
	changed := made.DeepCopy()
	changed.Labels["role"] = "y"
	changed.Status.Phase = corev1.PodRunning // is left out: it is not the status that is updated
	updated, err := pods.Update(ctx, changed, metav1.UpdateOptions{})
	if err != nil || updated.Labels["role"] != "y" || updated.Status.Phase != "" || updated.ResourceVersion == made.ResourceVersion {
		t.Errorf("updated %+v, %v", updated, err)
	}
	if _, err := pods.Update(ctx, changed, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("an update of an old version: %v", err)
	}
	running := updated.DeepCopy()
	running.Status.Phase, running.Labels = corev1.PodRunning, nil
	got, err := pods.UpdateStatus(ctx, running, metav1.UpdateOptions{})
	if err != nil || got.Status.Phase != corev1.PodRunning || got.Labels["role"] != "y" {
		t.Errorf("the status: %+v, %v", got, err)
	}
	for kind, patch := range map[types.PatchType]string{
		types.MergePatchType:          `{"metadata":{"labels":{"role":null,"merge":"1"}}}`,
		types.StrategicMergePatchType: `{"spec":{"tolerations":[{"key":"k"}]}}`,
	} {
		must(t)(pods.Patch(ctx, "a", kind, []byte(patch), metav1.PatchOptions{}))
	}
	if got, err = pods.Get(ctx, "a", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"merge": "1"}, got.Labels); diff != "" || len(got.Spec.Tolerations) != 1 || got.UID != made.UID {
		t.Errorf("patched %+v %s", got, diff)
	}
	if _, err := pods.Patch(ctx, "a", types.JSONPatchType, []byte(`[]`), metav1.PatchOptions{}); !apierrors.IsBadRequest(err) {
		t.Errorf("a patch that it does not know: %v", err)
	}
	other := types.UID("other")
	if err := pods.Delete(ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}}); !apierrors.IsConflict(err) {
		t.Errorf("a precondition that does not hold: %v", err)
	}
	if err := pods.Delete(ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &made.UID}}); err != nil {
		t.Error(err)
	}
	if _, err := pods.Get(ctx, "a", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after its deletion: %v", err)
	}
}

func TestWhatIsNotServedIsNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	_, err := s.typed.AutoscalingV2().HorizontalPodAutoscalers("shop").List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("a resource that is not served: %v", err)
	}
	if _, err := s.typed.CoreV1().Pods("nowhere").Create(t.Context(), pod("a", "", nil), metav1.CreateOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("in a namespace that is not there: %v", err)
	}
}

func TestSelectorsAndCollections(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	s.createPod(t, pod("a", "", map[string]string{"role": "x"}))
	s.createPod(t, pod("b", "", map[string]string{"role": "y"}))
	s.createPod(t, pod("c", "n1", nil))
	for selector, want := range map[metav1.ListOptions][]string{
		{}:                                  {"a", "b", "c"},
		{LabelSelector: "role in (x,z)"}:    {"a"},
		{LabelSelector: "!role"}:            {"c"},
		{FieldSelector: "metadata.name=b"}:  {"b"},
		{FieldSelector: "spec.nodeName=n1"}: {"c"},
	} {
		if diff := cmp.Diff(want, s.podNames(t, selector)); diff != "" {
			t.Errorf("%+v: %s", selector, diff)
		}
	}
	withRole := metav1.ListOptions{LabelSelector: "role"}
	if err := s.typed.CoreV1().Pods("shop").DeleteCollection(t.Context(), metav1.DeleteOptions{}, withRole); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"c"}, s.podNames(t, metav1.ListOptions{})); diff != "" {
		t.Error(diff)
	}
}

// next returns the next event's type and its object's name.
func next(t *testing.T, w watch.Interface) string {
	t.Helper()
	select {
	case event, open := <-w.ResultChan():
		if !open {
			return "closed"
		}
		if object, ok := event.Object.(metav1.Object); ok {
			return string(event.Type) + " " + object.GetName()
		}
		return string(event.Type) + " " + string(apierrors.ReasonForError(apierrors.FromObject(event.Object)))
	case <-time.After(10 * time.Second):
		t.Fatal("no event came")
		return ""
	}
}

func TestWatchesTellEachChangeOnceAndGoOnWhereTheyBroke(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	pods := s.dynamic.Resource(fakekube.Pods()).Namespace("shop")
	before, err := pods.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	watched := func(options metav1.ListOptions) watch.Interface {
		t.Helper()
		w, err := pods.Watch(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		return w
	}
	all := watched(metav1.ListOptions{ResourceVersion: before.GetResourceVersion()})
	some := watched(metav1.ListOptions{ResourceVersion: before.GetResourceVersion(), LabelSelector: "role=x"})
	s.createPod(t, pod("a", "", map[string]string{"role": "x"}))
	s.createPod(t, pod("b", "", nil))
	relabel := []byte(`{"metadata":{"labels":{"role":"y"}}}`)
	must(t)(s.typed.CoreV1().Pods("shop").Patch(t.Context(), "a", types.MergePatchType, relabel, metav1.PatchOptions{}))
	must(t)(nil, s.typed.CoreV1().Pods("shop").Delete(t.Context(), "b", metav1.DeleteOptions{}))
	check := func(w watch.Interface, want ...string) {
		t.Helper()
		for _, want := range want {
			if got := next(t, w); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	check(all, "ADDED a", "ADDED b", "MODIFIED a", "DELETED b")
	check(some, "ADDED a", "DELETED a")
	check(watched(metav1.ListOptions{ResourceVersion: before.GetResourceVersion()}), "ADDED a", "ADDED b", "MODIFIED a", "DELETED b")
	check(watched(metav1.ListOptions{}), "ADDED a")
	s.api.Forget()
	check(watched(metav1.ListOptions{ResourceVersion: before.GetResourceVersion()}), "ERROR Expired", "closed")
}

func TestPodsOnNodesEndGracefully(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	pods := s.typed.CoreV1().Pods("shop")
	done := s.createPod(t, pod("done", "n1", nil))
	done.Status.Phase = corev1.PodSucceeded
	must(t)(pods.UpdateStatus(t.Context(), done, metav1.UpdateOptions{}))
	s.createPod(t, pod("waiting", "", nil))
	s.createPod(t, pod("running", "n1", nil))
	s.createPod(t, pod("evicted", "n1", nil))
	for _, name := range []string{"done", "waiting", "running"} {
		if err := pods.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
	if err := pods.EvictV1(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "evicted"}}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"evicted", "running"}, s.podNames(t, metav1.ListOptions{})); diff != "" {
		t.Error(diff)
	}
	if got, err := pods.Get(t.Context(), "running", metav1.GetOptions{}); err != nil || got.DeletionTimestamp == nil {
		t.Errorf("a pod that ends: %+v, %v", got, err)
	}
	at := int64(0)
	if err := s.api.Delete(fakekube.Pods(), "shop", "running", metav1.DeleteOptions{GracePeriodSeconds: &at}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"evicted"}, s.podNames(t, metav1.ListOptions{})); diff != "" {
		t.Error(diff)
	}
}

func TestOwnersAndFinalizers(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "j"}}
	job, err := s.typed.BatchV1().Jobs("shop").Create(t.Context(), job, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned := pod("", "", nil)
	owned.GenerateName = "j-"
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "j", UID: job.UID}}
	s.createPod(t, owned)
	held := pod("held", "", nil)
	held.Finalizers = []string{"example.com/held"}
	s.createPod(t, held)
	must(t)(nil, s.typed.BatchV1().Jobs("shop").Delete(t.Context(), "j", metav1.DeleteOptions{}))
	must(t)(nil, s.typed.CoreV1().Pods("shop").Delete(t.Context(), "held", metav1.DeleteOptions{}))
	if diff := cmp.Diff([]string{"held"}, s.podNames(t, metav1.ListOptions{})); diff != "" {
		t.Error(diff)
	}
	release := []byte(`{"metadata":{"finalizers":null}}`)
	must(t)(s.typed.CoreV1().Pods("shop").Patch(t.Context(), "held", types.MergePatchType, release, metav1.PatchOptions{}))
	if left := s.podNames(t, metav1.ListOptions{}); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

func TestANamespaceGoesWhenItIsEmpty(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	s.createPod(t, pod("waiting", "", nil))
	s.createPod(t, pod("running", "n1", nil))
	namespaces := s.typed.CoreV1().Namespaces()
	if err := namespaces.Delete(t.Context(), "shop", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := namespaces.Get(t.Context(), "shop", metav1.GetOptions{}); err != nil || got.Status.Phase != corev1.NamespaceTerminating {
		t.Errorf("with a pod in it: %+v, %v", got, err)
	}
	if _, err := s.typed.CoreV1().Pods("shop").Create(t.Context(), pod("late", "", nil), metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("a pod made meanwhile: %v", err)
	}
	at := int64(0)
	if err := s.typed.CoreV1().Pods("shop").Delete(t.Context(), "running", metav1.DeleteOptions{GracePeriodSeconds: &at}); err != nil {
		t.Error(err)
	}
	if _, err := namespaces.Get(t.Context(), "shop", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("when it is empty: %v", err)
	}
}

func TestAdmissionDryRunsAndLogs(t *testing.T) {
	t.Parallel()
	refused := errors.New("nobody wants it")
	s := serve(t, fakekube.Options{
		Admit: func(object *unstructured.Unstructured, dryRun bool) error {
			if object.GetName() == "bad" && dryRun {
				return apierrors.NewForbidden(fakekube.Pods().GroupResource(), object.GetName(), refused)
			}
			return nil
		},
		Logs: func(namespace, pod string) string { return namespace + "/" + pod },
	})
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	pods := s.typed.CoreV1().Pods("shop")
	if _, err := pods.Create(t.Context(), pod("bad", "", nil), dry); !apierrors.IsForbidden(err) {
		t.Errorf("a pod that is refused: %v", err)
	}
	must(t)(pods.Create(t.Context(), pod("good", "", nil), dry))
	if left := s.podNames(t, metav1.ListOptions{}); len(left) > 0 {
		t.Errorf("a dry run made %v", left)
	}
	s.createPod(t, pod("bad", "", nil))
	stream, err := pods.GetLogs("bad", &corev1.PodLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(stream)
	if err != nil || string(content) != "shop/bad" || stream.Close() != nil {
		t.Errorf("the log is %q, %v", content, err)
	}
}

func TestSecretsAreKeptAsBytes(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "s"}, StringData: map[string]string{"a": "text"}, Data: map[string][]byte{"b": {0xff}},
	}
	got, err := s.typed.CoreV1().Secrets("shop").Create(t.Context(), secret, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]byte{"a": []byte("text"), "b": {0xff}}, got.Data); diff != "" || got.StringData != nil {
		t.Errorf("%s %v", diff, got.StringData)
	}
}

func TestACloneGoesItsOwnWay(t *testing.T) {
	t.Parallel()
	s := serve(t, fakekube.Options{})
	s.createPod(t, pod("a", "", nil))
	clone := s.api.Clone(fakekube.Options{})
	s.createPod(t, pod("b", "", nil))
	must(t)(nil, clone.Delete(fakekube.Pods(), "shop", "a", metav1.DeleteOptions{}))
	names := func(api *fakekube.API) (all []string) {
		for _, object := range api.List(fakekube.Pods(), "") {
			all = append(all, object.GetName())
		}
		return all
	}
	if of, in := names(s.api), names(clone); !slices.Equal(of, []string{"a", "b"}) || len(in) > 0 {
		t.Errorf("the server has %v and its clone %v", of, in)
	}
	changed := clone.Changed()
	must(t)(clone.Update(fakekube.Namespaces(), "", "shop", func(object *unstructured.Unstructured) error {
		object.SetLabels(map[string]string{"x": "y"})
		return nil
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case <-changed:
	case <-ctx.Done():
		t.Error("nobody was told of a change")
	}
}

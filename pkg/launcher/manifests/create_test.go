package manifests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sparkchaos/sparkchaos/internal/fakekube"
	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/launchertest"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

type silent struct{}

func (silent) Say(string, ...any) {}

func (silent) Await(string, time.Duration, func() string) func() { return func() {} }

// world is an API server with the namespace of a run.
type world struct {
	api  *fakekube.API
	host *launcher.Host
	part *part
}

// worldOf returns one for a workload whose manifest has the text.
func worldOf(t *testing.T, text string) world {
	t.Helper()
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "f.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w := launchertest.WordCount()
	w.Manifests = []string{"f.yaml"}
	c, err := Component{}.Preflight(t.Context(), launcher.Machine{
		Workload: w, Artifact: func(_ context.Context, name string) (*os.File, error) { return os.Open(filepath.Join(directory, name)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	env := launchertest.Environment()
	made, err := c.Part(launcher.Launch{Workload: w, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	api := fakekube.New(fakekube.Options{})
	config := fakekube.Serve(t, api)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: env.Namespace, Labels: map[string]string{launcher.RunLabel: env.RunID}}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	host := &launcher.Host{
		Client: client, RESTConfig: func() (*rest.Config, error) { return config, nil }, Env: env, Progress: silent{},
	}
	return world{api: api, host: host, part: made.(*part)}
}

func jobs() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
}

const seed = `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: seed}, spec: {template: {spec: {containers: [{name: a, image: b}]}}}}
`

// finish sets a condition of the Job once it is there.
func (w world) finish(t *testing.T, condition string) {
	t.Helper()
	for {
		changed := w.api.Changed()
		_, err := w.api.Update(jobs(), w.host.Env.Namespace, "seed", func(job *unstructured.Unstructured) error {
			return unstructured.SetNestedField(job.Object, map[string]any{
				"startTime": "2026-01-01T00:00:00Z",
				"conditions": []any{map[string]any{"type": condition, "status": "True", "reason": "BackoffLimitExceeded",
					"message": "it failed too often"}},
			}, "status")
		})
		if err == nil {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Errorf("the Job was never made: %v", err)
			return
		}
	}
}

func TestPrepareAwaitsWhatItMade(t *testing.T) {
	t.Parallel()
	w := worldOf(t, seed)
	go w.finish(t, "Complete")
	if err := w.part.Prepare(t.Context(), w.host); err != nil {
		t.Fatal(err)
	}
	for resource, name := range map[schema.GroupVersionResource]string{fakekube.ConfigMaps(): "settings", jobs(): "seed"} {
		made, err := w.api.Get(resource, w.host.Env.Namespace, name)
		if err != nil {
			t.Fatal(err)
		}
		if made.GetLabels()[launcher.RunLabel] != w.host.Env.RunID {
			t.Errorf("%s has the labels %v, want that of the run", name, made.GetLabels())
		}
	}
}

func TestPrepareTellsWhatWasSeenLast(t *testing.T) {
	t.Parallel()
	w := worldOf(t, seed)
	waiting := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "seed-x",
			Labels: map[string]string{launcher.RoleLabel: launcher.RoleValue(scenario.ManifestRole("seed"))}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "a", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}},
		}}},
	}
	if _, err := w.host.Client.CoreV1().Pods(w.host.Env.Namespace).Create(t.Context(), waiting, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	go w.finish(t, "Failed")
	err := w.part.Prepare(t.Context(), w.host)
	for _, says := range []string{"the workload's manifests is not ready", "Job seed (f.yaml, document 2)", "it failed too often",
		"ErrImagePull no such image"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to say %q", err, says)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}}": "the cluster serves no API example.com/v1; " +
			"correct apiVersion, or install its CustomResourceDefinition first",
		"{apiVersion: batch/v1, kind: Jobb, metadata: {name: a}}":               "the cluster's API batch/v1 has no such kind; it has Job",
		"{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: a}}": "has no such kind",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: taken}}":            "ConfigMap taken exists already",
	} {
		w := worldOf(t, text)
		taken := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "taken"}}
		if _, err := w.host.Client.CoreV1().ConfigMaps(w.host.Env.Namespace).Create(t.Context(), taken, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := w.part.Prepare(t.Context(), w.host); err == nil || !strings.Contains(err.Error(), says) ||
			!strings.Contains(err.Error(), "f.yaml, document 1") {
			t.Errorf("%s: got %v, want it to say %q and where", text, err, says)
		}
	}
}

func TestPreflightTellsOfEveryFile(t *testing.T) {
	t.Parallel()
	w := launchertest.WordCount()
	w.Manifests = []string{"a.yaml", "b.yaml"}
	_, err := Component{}.Preflight(t.Context(), launcher.Machine{Workload: w,
		Artifact: func(_ context.Context, name string) (*os.File, error) {
			return nil, fmt.Errorf("there is no %s", name)
		}})
	if err == nil || err.Error() != "manifest a.yaml: there is no a.yaml\nmanifest b.yaml: there is no b.yaml" {
		t.Errorf("got %v, want both files named", err)
	}
}

func TestOtherContentIsAnotherFingerprint(t *testing.T) {
	t.Parallel()
	digest := func(text string) string {
		w := launchertest.WordCount()
		w.Manifests = []string{"f.yaml"}
		file := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Component{}.Preflight(t.Context(), launcher.Machine{Workload: w,
			Artifact: func(context.Context, string) (*os.File, error) { return os.Open(file) }})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := c.(Component).Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	a, b := digest(seed), digest(minio)
	if a == b || a == "" || a != digest(seed) {
		t.Errorf("fingerprints %q and %q, want different ones that stay", a, b)
	}
}

package chart_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/sparkchaos/sparkchaos/internal/chart"
)

// write makes a directory of files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	directory := t.TempDir()
	for name, text := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func TestRender(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		names []string
		says  string // the error
	}{
		"objects in the order of files, without notes": {map[string]string{
			"Chart.yaml": "{apiVersion: v2, name: x, version: 1.0.0}", "values.yaml": "{}", "templates/NOTES.txt": "notes",
			"templates/b.yaml": "metadata: {name: b-{{ .Values.given }}}",
			"templates/a.yaml": "metadata: {name: a-{{ .Capabilities.KubeVersion.Minor }}}\n---\nmetadata: {name: {{ .Release.Namespace }}}\n---\n",
		}, []string{"a-36", "space", "b-value"}, ""},
		"no chart": {map[string]string{"x.yaml": ""}, nil, "chart of the thing in "},
		"a template that is wrong": {map[string]string{
			"Chart.yaml": "{apiVersion: v2, name: x, version: 1.0.0}", "templates/a.yaml": "{{ fail \"not so\" }}",
		}, nil, "render the chart of the thing: "},
		"a template that is no YAML": {map[string]string{
			"Chart.yaml": "{apiVersion: v2, name: x, version: 1.0.0}", "templates/a.yaml": "a: ]",
		}, nil, "rendered file x/templates/a.yaml of the chart of the thing: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			it := chart.Chart{Of: "the thing", Directory: write(t, c.files), Namespace: "space", Values: map[string]any{"given": "value"}}
			objects, err := it.Render(&version.Info{GitVersion: "v1.36.3", Major: "1", Minor: "36"})
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want an error that says %q", err, c.says)
			}
			var names []string
			for _, object := range objects {
				names = append(names, object.GetName())
			}
			if diff := cmp.Diff(c.names, names); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	if _, err := chart.Definitions(t.TempDir(), "build it"); err == nil || !strings.Contains(err.Error(), "build it") {
		t.Errorf("without files: got %v", err)
	}
	if _, err := chart.Definitions(write(t, map[string]string{"x.yaml": "a: ]"}), ""); err == nil || !strings.Contains(err.Error(), "x.yaml") {
		t.Errorf("a damaged file: got %v", err)
	}
	objects, err := chart.Definitions(write(t, map[string]string{"x.yaml": "kind: A\n---\nkind: B", "y.txt": "]"}), "")
	if err != nil || len(objects) != 2 {
		t.Errorf("got %v, %v, want two objects", objects, err)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	kube := kubefake.NewClientset()
	kube.Resources = []*metav1.APIResourceList{{GroupVersion: "v1", APIResources: []metav1.APIResource{
		{Name: "namespaces", Kind: "Namespace"}, {Name: "configmaps", Kind: "ConfigMap", Namespaced: true}}}}
	client := dynamicfake.NewSimpleDynamicClient(runtime.NewScheme())
	var applied []string
	client.PrependReactor("patch", "*", func(action k8stesting.Action) (bool, runtime.Object, error) {
		patch := action.(k8stesting.PatchAction)
		applied = append(applied, patch.GetNamespace()+"/"+patch.GetName())
		if !strings.Contains(string(patch.GetPatch()), `"`+chart.ManagedByLabel+`":"mark"`) {
			t.Errorf("%s lacks its mark: %s", patch.GetName(), patch.GetPatch())
		}
		return true, &unstructured.Unstructured{}, nil
	})
	configMap := func(namespace, name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": name, "namespace": namespace, "labels": map[string]any{chart.ManagedByLabel: "Helm"}}}}
	}
	unknown := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v9", "kind": "Unknown", "metadata": map[string]any{"name": "u"},
	}}
	applier := chart.NewApplier(client, kube.Discovery(), "default-one", "mark")
	err := applier.Apply(t.Context(), chart.Namespace("n"), configMap("", "a"), configMap("named", "b"), unknown, configMap("", "never"))
	if err == nil || !strings.Contains(err.Error(), "kind Unknown") {
		t.Errorf("got %v, want that the kind is not known", err)
	}
	if diff := cmp.Diff([]string{"/n", "default-one/a", "named/b"}, applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
}

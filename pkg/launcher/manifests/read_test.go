package manifests

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/launchertest"
)

const minio = `# storage for the checkpoints
apiVersion: v1
kind: Service
metadata: {name: minio}
spec: {ports: [{port: 9000}], selector: {app: minio}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: minio, labels: {app: minio}}
spec:
  selector: {matchLabels: {app: minio}}
  template:
    metadata: {labels: {app: minio}}
    spec: {containers: [{name: minio, image: "minio/minio"}]}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000}
- {apiVersion: batch/v1, kind: CronJob, metadata: {name: tidy}, spec: {jobTemplate: {spec: {template: {spec: {}}}}}}
`

func TestObjectsBelongToTheRun(t *testing.T) {
	t.Parallel()
	objects, err := read("minio.yaml", []byte(minio))
	if err != nil {
		t.Fatal(err)
	}
	env := launchertest.Environment()
	var got []string
	for _, o := range inRun(objects, env) {
		if o.GetLabels()[launcher.RunLabel] != env.RunID {
			t.Errorf("%s has the labels %v, want that of the run", o, o.GetLabels())
		}
		got = append(got, o.from+": "+o.GetNamespace()+"/"+o.String())
		for _, path := range o.templates() {
			var at any = o.Object
			for _, step := range append(path, "labels") {
				at = at.(map[string]any)[step]
			}
			labels := at.(map[string]any)
			if want := "manifest." + o.GetName(); labels[launcher.RoleLabel] != want || labels[launcher.RunLabel] != env.RunID {
				t.Errorf("the pods of %s have the labels %v, want the role %s and the run", o, labels, want)
			}
		}
	}
	want := []string{
		"minio.yaml, document 1: run-1/Service minio", "minio.yaml, document 2: run-1/Deployment minio",
		"minio.yaml, document 3, item 1: /PriorityClass high", "minio.yaml, document 3, item 2: run-1/CronJob tidy",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if objects[0].GetLabels() != nil || objects[0].GetNamespace() != "" {
		t.Error("the objects that were read changed: another session of the run could not use them")
	}
}

func TestReadTellsEveryProblem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":   {"# nothing\n", "manifest f.yaml: has no object in it"},
		"no YAML":   {"a: {", "manifest f.yaml, document 1: error converting YAML to JSON: yaml: line 1: did not find expected node content"},
		"no object": {"a: b", "manifest f.yaml, document 1: is no Kubernetes object: apiVersion and kind are missing"},
		"no name":   {"{apiVersion: v1, kind: Secret}", "manifest f.yaml, document 1: Secret : metadata.name is missing"},
		"another name": {"{apiVersion: v1, kind: Secret, metadata: {generateName: a-}}", "manifest f.yaml, document 1: Secret : " +
			"metadata.generateName gives another name each time; write metadata.name"},
		"two problems": {
			"{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: b}}\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: " +
				"ClusterRole, metadata: {name: c}}",
			"manifest f.yaml, document 1: Secret a: metadata.namespace is \"b\", but each run has a namespace of its own; leave it out\n" +
				"manifest f.yaml, document 2: ClusterRole c: is in no namespace, so it would act on the whole cluster and outlive the run; create " +
				"it yourself before the run (a PriorityClass is the only such object that a manifest may have)",
		},
		"our label": {"{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {sparkchaos.dev/run: x}}}",
			"manifest f.yaml, document 1: Secret a: the label sparkchaos.dev/run is set by sparkchaos; leave it out"},
	} {
		_, err := read("f.yaml", []byte(tc.text))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

func TestTheSameObjectTwice(t *testing.T) {
	t.Parallel()
	one, err := read("a.yaml", []byte("{apiVersion: v1, kind: Secret, metadata: {name: a}}"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := read("b.yaml", []byte("{apiVersion: v1, kind: Secret, metadata: {name: a}}\n---\n{apiVersion: v1, kind: ConfigMap, "+
		"metadata: {name: a}}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := twice(append(one, other...)); err == nil || err.Error() != "manifest b.yaml, document 1: Secret a is in a.yaml, "+
		"document 1 already" {
		t.Errorf("got %v, want it said once", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(minio)
	f.Add(`{"apiVersion": "v1", "kind": "List", "items": [1]}`)
	f.Add("{apiVersion: v1, kind: Pod, metadata: 1}")
	f.Fuzz(func(t *testing.T, text string) {
		objects, err := read("f.yaml", []byte(text))
		if err != nil {
			if !strings.Contains(err.Error(), "f.yaml") {
				t.Errorf("%v does not name the file", err)
			}
			return
		}
		for _, o := range inRun(objects, launchertest.Environment()) {
			if o.GetName() == "" || o.GetKind() == "" {
				t.Errorf("%s was accepted", o)
			}
		}
	})
}

package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// object is one object of a manifest.
type object struct {
	*unstructured.Unstructured
	from string // where it stands: "minio.yaml, document 2"
}

func (o object) String() string { return fmt.Sprintf("%s %s", o.GetKind(), o.GetName()) }

// read returns the objects of a file, those of lists one by one. It fails with everything that is wrong with them.
func read(name string, content []byte) ([]object, error) {
	var objects []object
	var problems []error
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for document := 1; ; document++ {
		from := fmt.Sprintf("%s, document %d", name, document)
		var fields map[string]any
		err := decoder.Decode(&fields)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.Join(append(problems, fmt.Errorf("manifest %s: %w", from, err))...)
		}
		if len(fields) == 0 {
			continue
		}
		found, err := unfold(&unstructured.Unstructured{Object: fields}, from)
		objects, problems = append(objects, found...), append(problems, err)
	}
	if len(objects) == 0 && errors.Join(problems...) == nil {
		problems = append(problems, fmt.Errorf("manifest %s: has no object in it", name))
	}
	for _, o := range objects {
		problems = append(problems, o.check()...)
	}
	return objects, errors.Join(problems...)
}

// unfold returns an object, or the objects of a list.
func unfold(u *unstructured.Unstructured, from string) ([]object, error) {
	if !u.IsList() || !strings.HasSuffix(u.GetKind(), "List") {
		return []object{{u, from}}, nil
	}
	list, err := u.ToList()
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", from, err)
	}
	var objects []object
	for i := range list.Items {
		objects = append(objects, object{&list.Items[i], fmt.Sprintf("%s, item %d", from, i+1)})
	}
	return objects, nil
}

// check returns what keeps an object from being made, one error each.
func (o object) check() []error {
	var problems []error
	wrong := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("manifest %s: %s: %s", o.from, o, fmt.Sprintf(format, args...)))
	}
	if o.GetAPIVersion() == "" || o.GetKind() == "" {
		return []error{fmt.Errorf("manifest %s: is no Kubernetes object: apiVersion and kind are missing", o.from)}
	}
	switch {
	case o.GetGenerateName() != "":
		wrong("metadata.generateName gives another name each time; write metadata.name")
	case o.GetName() == "":
		wrong("metadata.name is missing")
	}
	if o.GetNamespace() != "" {
		wrong("metadata.namespace is %q, but each run has a namespace of its own; leave it out", o.GetNamespace())
	}
	for key := range o.GetLabels() {
		if strings.HasPrefix(key, "sparkchaos.dev/") {
			wrong("the label %s is set by sparkchaos; leave it out", key)
		}
	}
	if slices.Contains(beyondARun(), o.GroupVersionKind().GroupKind()) {
		wrong("is in no namespace, so it would act on the whole cluster and outlive the run; create it yourself before the run (a " +
			"PriorityClass is the only such object that a manifest may have)")
	}
	if len(o.templates()) > 0 {
		for _, reason := range validation.IsValidLabelValue(launcher.RoleValue(scenario.ManifestRole(o.GetName()))) {
			wrong("its name cannot mark its pods: %s", reason)
		}
	}
	return problems
}

// isPriorityClass reports whether an object is the only one in no namespace that a run makes.
func (o object) isPriorityClass() bool {
	return o.GroupVersionKind().GroupKind() == schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}
}

// beyondARun lists well-known kinds that are in no namespace, so that they are refused before there is a cluster to ask.
func beyondARun() []schema.GroupKind {
	const rbac, admission = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
	return []schema.GroupKind{
		{Kind: "Namespace"}, {Kind: "Node"}, {Kind: "PersistentVolume"},
		{Group: rbac, Kind: "ClusterRole"}, {Group: rbac, Kind: "ClusterRoleBinding"}, {Group: "storage.k8s.io", Kind: "StorageClass"},
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}, {Group: "apiregistration.k8s.io", Kind: "APIService"},
		{Group: admission, Kind: "ValidatingWebhookConfiguration"}, {Group: admission, Kind: "MutatingWebhookConfiguration"},
		{Group: admission, Kind: "ValidatingAdmissionPolicy"}, {Group: admission, Kind: "ValidatingAdmissionPolicyBinding"},
	}
}

// templates returns the paths of the metadata of the pods that an object makes, its own if it is a pod.
func (o object) templates() [][]string {
	switch o.GetKind() {
	case "Pod":
		return [][]string{{"metadata"}}
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job":
		return [][]string{{"spec", "template", "metadata"}}
	case "CronJob":
		return [][]string{{"spec", "jobTemplate", "spec", "template", "metadata"}}
	default:
		return nil
	}
}

// twice finds objects that are in the manifests more than once.
func twice(objects []object) error {
	first := map[string]string{}
	var problems []error
	for _, o := range objects {
		key := o.GroupVersionKind().GroupKind().String() + "/" + o.GetName()
		if earlier, double := first[key]; double {
			problems = append(problems, fmt.Errorf("manifest %s: %s is in %s already", o.from, o, earlier))
			continue
		}
		first[key] = o.from
	}
	return errors.Join(problems...)
}

// inRun returns copies of objects that belong to a run, and whose pods are distinguished from others by their role.
func inRun(objects []object, env launcher.Environment) []object {
	var all []object
	for _, o := range objects {
		copied := o.DeepCopy()
		if !o.isPriorityClass() {
			copied.SetNamespace(env.Namespace)
		}
		mark(copied.Object, []string{"metadata"}, launcher.RunLabel, env.RunID)
		for _, metadata := range o.templates() {
			mark(copied.Object, metadata, launcher.RunLabel, env.RunID)
			mark(copied.Object, metadata, launcher.RoleLabel, launcher.RoleValue(scenario.ManifestRole(o.GetName())))
		}
		all = append(all, object{copied, o.from})
	}
	return all
}

// mark sets a label. If there is no mapping where labels belong, the API server refuses it.
func mark(fields map[string]any, metadata []string, key, value string) {
	_ = unstructured.SetNestedField(fields, value, append(slices.Clone(metadata), "labels", key)...)
}

package history

import (
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// NewForeignRecorder returns a Recorder of an application that is not the harness's. Specs, annotations and the data of objects may hold
// secrets: of all objects of the namespace the history keeps what Foreign leaves of them.
func NewForeignRecorder(client dynamic.Interface, log *Writer, namespace string, more ...Watched) *Recorder {
	r := NewRecorder(client, log, namespace, more...)
	r.kinds = slices.DeleteFunc(r.kinds, func(k kind) bool { return k.namespace == namespace && !foreignKind(k.name, more) })
	clear(r.waiting)
	for _, k := range r.kinds {
		r.waiting[k] = nil
	}
	r.keep = func(k kind, object *unstructured.Unstructured) {
		if k.namespace == namespace && k.name != "Event" {
			object.Object = Foreign(k.name, object.Object)
		}
	}
	return r
}

// foreignKind reports whether objects of a kind tell how an application fares.
func foreignKind(name string, more []Watched) bool {
	return slices.Contains([]string{"Job", "Pod", "Event"}, name) || slices.ContainsFunc(more, func(w Watched) bool { return w.Kind == name })
}

// ForeignRules are the rights that the recording of an application needs which is not the harness's: in all the cluster, in the namespace
// of the nodes' leases, and in the application's own.
func ForeignRules(more ...Watched) (cluster, leases, own []rbacv1.PolicyRule) {
	rule := func(group string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: []string{"list", "watch"}}
	}
	own = []rbacv1.PolicyRule{rule(corev1.GroupName, "pods", "events"), rule(batchv1.GroupName, "jobs")}
	for _, w := range more {
		own = append(own, rule(w.Resource.Group, w.Resource.Resource))
	}
	return []rbacv1.PolicyRule{rule(corev1.GroupName, "nodes")}, []rbacv1.PolicyRule{rule(coordinationv1.GroupName, "leases")}, own
}

// Foreign returns what is kept of an object of a kind that somebody else made: what identifies it, the node of a pod, names and images of
// its containers, and its status without what containers and operators wrote.
func Foreign(kind string, object map[string]any) map[string]any {
	kept := pick(object, "apiVersion", "kind")
	if metadata, ok := object["metadata"].(map[string]any); ok {
		kept["metadata"] = pick(metadata, "name", "namespace", "uid", "resourceVersion", "generation", "labels", "ownerReferences",
			"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers")
	}
	if spec, ok := object["spec"].(map[string]any); ok {
		kept["spec"] = foreignSpec(spec)
	}
	if status, ok := object["status"].(map[string]any); ok {
		kept["status"] = withoutOutput(status, kind == "Pod" || kind == "Job")
	}
	return kept
}

// foreignSpec returns what is kept of a spec: of a pod's its node and its containers, of a Job's and an application's nothing that is text.
func foreignSpec(spec map[string]any) map[string]any {
	kept := pick(spec, "nodeName", "restartPolicy", "terminationGracePeriodSeconds", "backoffLimit", "podReplacementPolicy", "suspend")
	if _, text := kept["restartPolicy"].(string); !text {
		delete(kept, "restartPolicy") // an operator's says more than a word
	}
	for _, list := range []string{"containers", "initContainers"} {
		containers, ok := spec[list].([]any)
		if !ok {
			continue
		}
		var shown []any
		for _, container := range containers {
			if fields, ok := container.(map[string]any); ok {
				shown = append(shown, pick(fields, "name", "image"))
			}
		}
		kept[list] = shown
	}
	return kept
}

// withoutOutput returns a status without the messages of containers that ended, which are the end of their logs. Those of Kubernetes itself
// are kept; an operator's may quote what it ran.
func withoutOutput(value any, kubernetes bool) any {
	switch v := value.(type) {
	case map[string]any:
		kept := make(map[string]any, len(v))
		for key, inner := range v {
			if !kubernetes && (key == "message" || key == "errorMessage") {
				continue
			}
			if ended, is := inner.(map[string]any); is && key == "terminated" {
				inner = pick(ended, "exitCode", "signal", "reason", "startedAt", "finishedAt", "containerID")
			}
			kept[key] = withoutOutput(inner, kubernetes)
		}
		return kept
	case []any:
		kept := make([]any, 0, len(v))
		for _, inner := range v {
			kept = append(kept, withoutOutput(inner, kubernetes))
		}
		return kept
	default:
		return value
	}
}

// pick returns the fields of the names that are there.
func pick(fields map[string]any, names ...string) map[string]any {
	kept := map[string]any{}
	for _, name := range names {
		if value, there := fields[name]; there {
			kept[name] = value
		}
	}
	return kept
}

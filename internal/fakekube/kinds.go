package fakekube

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Namespaces is the resource of namespaces.
func Namespaces() schema.GroupVersionResource { return core("namespaces") }

// Nodes is the resource of nodes.
func Nodes() schema.GroupVersionResource { return core("nodes") }

// Pods is the resource of pods.
func Pods() schema.GroupVersionResource { return core("pods") }

// Secrets is the resource of secrets.
func Secrets() schema.GroupVersionResource { return core("secrets") }

// ConfigMaps is the resource of config maps.
func ConfigMaps() schema.GroupVersionResource { return core("configmaps") }

// Leases is the resource of leases.
func Leases() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
}

// Jobs is the resource of jobs.
func Jobs() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
}

// SparkApplications is the resource of kubeflow's operator.
func SparkApplications() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "sparkoperator.k8s.io", Version: "v1beta2", Resource: "sparkapplications"}
}

// AdmissionPolicies is the resource of admission policies or of their bindings.
func AdmissionPolicies(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}
}

func core(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}

// kinds returns all that is served.
func kinds() map[schema.GroupVersionResource]kind {
	all := map[schema.GroupVersionResource]kind{}
	for group, resources := range map[schema.GroupVersion]map[string]kind{
		{Version: "v1"}: {
			"namespaces": {name: "Namespace"}, "nodes": {name: "Node"}, "persistentvolumes": {name: "PersistentVolume"},
			"pods": {"Pod", true}, "events": {"Event", true}, "configmaps": {"ConfigMap", true},
			"secrets": {"Secret", true}, "services": {"Service", true},
			"serviceaccounts": {"ServiceAccount", true}, "persistentvolumeclaims": {"PersistentVolumeClaim", true},
		},
		{Group: "apps", Version: "v1"}:                      {"deployments": {"Deployment", true}, "daemonsets": {"DaemonSet", true}},
		{Group: "batch", Version: "v1"}:                     {"jobs": {"Job", true}},
		{Group: "coordination.k8s.io", Version: "v1"}:       {"leases": {"Lease", true}},
		{Group: "networking.k8s.io", Version: "v1"}:         {"networkpolicies": {"NetworkPolicy", true}},
		{Group: "policy", Version: "v1"}:                    {"poddisruptionbudgets": {"PodDisruptionBudget", true}},
		{Group: "sparkoperator.k8s.io", Version: "v1beta2"}: {"sparkapplications": {"SparkApplication", true}},
		{Group: "storage.k8s.io", Version: "v1"}:            {"storageclasses": {name: "StorageClass"}},
		{Group: "rbac.authorization.k8s.io", Version: "v1"}: {
			"roles": {"Role", true}, "rolebindings": {"RoleBinding", true},
		},
		{Group: "admissionregistration.k8s.io", Version: "v1"}: {
			"validatingadmissionpolicies":       {name: "ValidatingAdmissionPolicy"},
			"validatingadmissionpolicybindings": {name: "ValidatingAdmissionPolicyBinding"},
		},
	} {
		of := map[schema.GroupVersionResource]kind{}
		for resource, k := range resources {
			of[group.WithResource(resource)] = k
		}
		maps.Copy(all, of)
	}
	return all
}

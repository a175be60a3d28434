package chart

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

const (
	// fieldManager owns the fields that are applied.
	fieldManager = "sparkchaos"
	// ManagedByLabel marks the objects that an Applier created.
	ManagedByLabel = "app.kubernetes.io/managed-by"
)

// Applier creates and updates objects of any kind on a cluster.
type Applier struct {
	dynamic   dynamic.Interface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	namespace string
	mark      string
}

// NewApplier returns an Applier. Objects that are in a namespace and name none go into the given one; mark is the value of ManagedByLabel.
func NewApplier(dynamic dynamic.Interface, api discovery.DiscoveryInterface, namespace, mark string) Applier {
	return Applier{
		dynamic: dynamic, namespace: namespace, mark: mark,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(api)),
	}
}

// Mapping finds the resource of a kind. It asks the API server again for a kind that it does not know yet.
func (a Applier) Mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	mapping, err := a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		a.mapper.Reset()
		mapping, err = a.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("kind %s: %w", gvk.Kind, err)
	}
	return mapping, nil
}

// Apply creates or updates objects by server-side apply, in their order, and marks them with ManagedByLabel. Definitions are too large
// for client-side apply.
func (a Applier) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		labels := object.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[ManagedByLabel] = a.mark
		object.SetLabels(labels)
		mapping, err := a.Mapping(object.GroupVersionKind())
		if err != nil {
			return err
		}
		var resource dynamic.ResourceInterface = a.dynamic.Resource(mapping.Resource)
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			namespace := object.GetNamespace()
			if namespace == "" {
				namespace = a.namespace
			}
			resource = a.dynamic.Resource(mapping.Resource).Namespace(namespace)
		}
		options := metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
		if _, err := resource.Apply(ctx, object.GetName(), object, options); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}

// Namespace returns the object of a namespace, to be applied.
func Namespace(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}
}

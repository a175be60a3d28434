package launcher

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// ApplyComponents creates all objects but the driver: what it needs, and the components around it. It stops at the first
// error; what was created until then is deleted with the namespace. An object that exists already is never changed: the
// error says whose it is.
func ApplyComponents(ctx context.Context, client kubernetes.Interface, o *Objects) error {
	for _, object := range slices.Concat([]Object{o.Namespace}, o.frame(), o.components()) {
		if _, err := Create(ctx, client, object); err != nil {
			return err
		}
	}
	return nil
}

// ApplyDriver creates what launches the application, once the components are ready, and returns how the workload is recognised in what
// follows (without ImageID, which only a node knows). The second client creates what only the cluster knows.
func ApplyDriver(ctx context.Context, client kubernetes.Interface, custom dynamic.Interface, o *Objects) (history.WorkloadData, error) {
	launched := o.Launching.Workload
	launched.Namespace, launched.RunLabel = o.Namespace.Name, o.Namespace.Labels[RunLabel]
	launched.Image = o.Driver.Spec.Containers[0].Image
	for _, object := range o.Launching.Objects {
		made, err := createLaunching(ctx, client, custom, o.Launching.Resource, object)
		if err != nil {
			return launched, err
		}
		launched.LaunchedBy = history.Object{Kind: kindOf(object), Namespace: made.GetNamespace(), Name: made.GetName(),
			UID: string(made.GetUID())}
	}
	if by := launched.LaunchedBy; by.Kind == launched.DriverKind {
		launched.DriverUID = by.UID
	}
	return launched, nil
}

// createLaunching creates one object of what launches an application.
func createLaunching(
	ctx context.Context, client kubernetes.Interface, custom dynamic.Interface, resource schema.GroupVersionResource, object Object,
) (Object, error) {
	if application, ok := object.(*unstructured.Unstructured); ok {
		return createCustom(ctx, custom, resource, application)
	}
	return Create(ctx, client, object)
}

// FullName is namespace/name, or the name alone.
func FullName(object metav1.Object) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}
	return object.GetNamespace() + "/" + object.GetName()
}

// ownership describes whose an object is.
func ownership(object metav1.Object, run string) string {
	switch owner, ok := object.GetLabels()[RunLabel]; {
	case !ok:
		return "was not made by sparkchaos (it has no label " + RunLabel + ")"
	case owner == run:
		return "belongs to this very run, " + run
	default:
		return "belongs to run " + owner
	}
}

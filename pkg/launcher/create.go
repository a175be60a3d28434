package launcher

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

const fieldManager = "sparkchaos"

// Object is a Kubernetes object of a run. Its TypeMeta names its kind.
type Object interface {
	metav1.Object
	runtime.Object
}

// Create creates one object of a run and returns it as the API server stored it. An object that exists already is never
// changed: the error says whose it is. It refuses a kind that it does not know.
func Create(ctx context.Context, client kubernetes.Interface, object Object) (Object, error) {
	namespace := object.GetNamespace()
	switch o := object.(type) {
	case *corev1.Namespace:
		return create(ctx, client.CoreV1().Namespaces(), o)
	case *admissionv1.ValidatingAdmissionPolicy:
		return create(ctx, client.AdmissionregistrationV1().ValidatingAdmissionPolicies(), o)
	case *admissionv1.ValidatingAdmissionPolicyBinding:
		return create(ctx, client.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings(), o)
	case *corev1.ServiceAccount:
		return create(ctx, client.CoreV1().ServiceAccounts(namespace), o)
	case *rbacv1.Role:
		return create(ctx, client.RbacV1().Roles(namespace), o)
	case *rbacv1.RoleBinding:
		return create(ctx, client.RbacV1().RoleBindings(namespace), o)
	case *corev1.ConfigMap:
		return create(ctx, client.CoreV1().ConfigMaps(namespace), o)
	case *corev1.Secret:
		return create(ctx, client.CoreV1().Secrets(namespace), o)
	case *corev1.PersistentVolumeClaim:
		return create(ctx, client.CoreV1().PersistentVolumeClaims(namespace), o)
	case *corev1.Service:
		return create(ctx, client.CoreV1().Services(namespace), o)
	case *networkingv1.NetworkPolicy:
		return create(ctx, client.NetworkingV1().NetworkPolicies(namespace), o)
	case *appsv1.Deployment:
		return create(ctx, client.AppsV1().Deployments(namespace), o)
	case *appsv1.StatefulSet:
		return create(ctx, client.AppsV1().StatefulSets(namespace), o)
	case *appsv1.DaemonSet:
		return create(ctx, client.AppsV1().DaemonSets(namespace), o)
	case *batchv1.Job:
		return create(ctx, client.BatchV1().Jobs(namespace), o)
	case *corev1.Pod:
		return create(ctx, client.CoreV1().Pods(namespace), o)
	default:
		return nil, fmt.Errorf("create %s %s: objects of type %T are not known here; add the kind to launcher.Create",
			kindOf(object), FullName(object), object)
	}
}

// kindOf returns the kind of an object, as its TypeMeta has it.
func kindOf(object Object) string { return object.GetObjectKind().GroupVersionKind().Kind }

// creator is what every typed client can do.
type creator[T Object] interface {
	Create(ctx context.Context, object T, opts metav1.CreateOptions) (T, error)
	Get(ctx context.Context, name string, opts metav1.GetOptions) (T, error)
}

// create creates one object, or returns why it cannot be created.
func create[T Object](ctx context.Context, api creator[T], object T) (Object, error) {
	made, err := api.Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
	if err == nil {
		return made, nil
	}
	what := fmt.Sprintf("%s %s", kindOf(object), FullName(object))
	if !apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("create %s: %w", what, err)
	}
	existing, getErr := api.Get(ctx, object.GetName(), metav1.GetOptions{})
	if getErr != nil {
		return nil, fmt.Errorf("create %s: %w; and whose it is cannot be seen: %w", what, err, getErr)
	}
	return nil, fmt.Errorf("create %s: it exists since %s and %s; delete it, or choose another run ID: %w",
		what, existing.GetCreationTimestamp().UTC().Format("2006-01-02T15:04:05Z"), ownership(existing, object.GetLabels()[RunLabel]), err)
}

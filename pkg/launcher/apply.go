package launcher

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

const fieldManager = "sparkchaos"

// ApplyComponents creates all objects but the driver: what it needs, and the components around it. It stops at the first
// error; what was created until then is deleted with the namespace. An object that exists already is never changed: the
// error says whose it is.
func ApplyComponents(ctx context.Context, client kubernetes.Interface, o *Objects) error {
	if err := applyFrame(ctx, client, o); err != nil {
		return err
	}
	return inOrder(
		func() error {
			if o.WitnessToken == nil {
				return nil
			}
			return ApplySecret(ctx, client, o.WitnessToken)
		},
		func() error {
			if o.Witness == nil {
				return nil
			}
			return applyWitness(ctx, client, o.Witness)
		},
		func() error {
			if o.Staging == nil {
				return nil
			}
			return applyStaging(ctx, client, o.Staging)
		},
		func() error {
			if o.ShuffleService == nil {
				return nil
			}
			return created(ctx, "DaemonSet", client.AppsV1().DaemonSets(o.ShuffleService.Namespace), o.ShuffleService)
		},
	)
}

// ApplyDriver creates the driver, once the components are ready, and says how the workload is recognised in what follows
// (its ImageID stays empty: a node knows it).
func ApplyDriver(ctx context.Context, client kubernetes.Interface, o *Objects) (history.WorkloadData, error) {
	kind, name, spec := o.driver()
	launched := history.WorkloadData{
		Namespace:  o.Namespace.Name,
		DriverKind: kind,
		DriverName: name,
		RunLabel:   o.Namespace.Labels[RunLabel],
		Image:      spec.Containers[0].Image,
	}
	if o.DriverPod != nil {
		made, err := create(ctx, KindPod, client.CoreV1().Pods(o.DriverPod.Namespace), o.DriverPod)
		if err != nil {
			return launched, err
		}
		launched.DriverUID = string(made.GetUID())
		return launched, nil
	}
	made, err := create(ctx, KindJob, client.BatchV1().Jobs(o.DriverJob.Namespace), o.DriverJob)
	if err != nil {
		return launched, err
	}
	launched.DriverUID = string(made.GetUID())
	return launched, nil
}

// ApplySecret creates a secret of the run.
func ApplySecret(ctx context.Context, client kubernetes.Interface, secret *corev1.Secret) error {
	return created(ctx, "Secret", client.CoreV1().Secrets(secret.Namespace), secret)
}

// applyFrame creates what the driver needs.
func applyFrame(ctx context.Context, client kubernetes.Interface, o *Objects) error {
	namespace := o.Namespace.Name
	return inOrder(
		func() error { return created(ctx, "Namespace", client.CoreV1().Namespaces(), o.Namespace) },
		func() error {
			return created(ctx, "ServiceAccount", client.CoreV1().ServiceAccounts(namespace), o.ServiceAccount)
		},
		func() error { return created(ctx, "Role", client.RbacV1().Roles(namespace), o.Role) },
		func() error {
			return created(ctx, "RoleBinding", client.RbacV1().RoleBindings(namespace), o.RoleBinding)
		},
		func() error { return created(ctx, "ConfigMap", client.CoreV1().ConfigMaps(namespace), o.ConfigMap) },
		func() error {
			if o.SecretConf == nil {
				return nil
			}
			return ApplySecret(ctx, client, o.SecretConf)
		},
		func() error {
			if o.Claim == nil {
				return nil
			}
			return created(ctx, "PersistentVolumeClaim", client.CoreV1().PersistentVolumeClaims(namespace), o.Claim)
		},
	)
}

// applyStaging creates a staging server.
func applyStaging(ctx context.Context, client kubernetes.Interface, s *Staging) error {
	namespace := s.Service.Namespace
	return inOrder(
		func() error {
			return created(ctx, "ServiceAccount", client.CoreV1().ServiceAccounts(namespace), s.ServiceAccount)
		},
		func() error { return created(ctx, "Role", client.RbacV1().Roles(namespace), s.Role) },
		func() error {
			return created(ctx, "RoleBinding", client.RbacV1().RoleBindings(namespace), s.RoleBinding)
		},
		func() error {
			if s.Claim == nil {
				return nil
			}
			return created(ctx, "PersistentVolumeClaim", client.CoreV1().PersistentVolumeClaims(namespace), s.Claim)
		},
		func() error {
			if s.Credentials == nil {
				return nil
			}
			return ApplySecret(ctx, client, s.Credentials)
		},
		func() error { return ApplySecret(ctx, client, s.Identity) },
		func() error { return created(ctx, "Service", client.CoreV1().Services(namespace), s.Service) },
		func() error { return created(ctx, "Deployment", client.AppsV1().Deployments(namespace), s.Deployment) },
	)
}

// applyWitness creates a witness in the cluster.
func applyWitness(ctx context.Context, client kubernetes.Interface, w *WitnessServer) error {
	namespace := w.Service.Namespace
	return inOrder(
		func() error {
			return created(ctx, "PersistentVolumeClaim", client.CoreV1().PersistentVolumeClaims(namespace), w.Claim)
		},
		func() error {
			if w.Policy == nil {
				return nil
			}
			return created(ctx, "NetworkPolicy", client.NetworkingV1().NetworkPolicies(namespace), w.Policy)
		},
		func() error { return created(ctx, "Service", client.CoreV1().Services(namespace), w.Service) },
		func() error { return created(ctx, "Deployment", client.AppsV1().Deployments(namespace), w.Deployment) },
	)
}

// inOrder takes steps until one fails.
func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// creator is what every typed client can do.
type creator[T metav1.Object] interface {
	Create(ctx context.Context, object T, opts metav1.CreateOptions) (T, error)
	Get(ctx context.Context, name string, opts metav1.GetOptions) (T, error)
}

func created[T metav1.Object](ctx context.Context, kind string, api creator[T], object T) error {
	_, err := create(ctx, kind, api, object)
	return err
}

// create makes one object, or says why it cannot be made.
func create[T metav1.Object](ctx context.Context, kind string, api creator[T], object T) (T, error) {
	made, err := api.Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
	if err == nil {
		return made, nil
	}
	what := fmt.Sprintf("%s %s", kind, fullName(object))
	if !apierrors.IsAlreadyExists(err) {
		return made, fmt.Errorf("create %s: %w", what, err)
	}
	existing, getErr := api.Get(ctx, object.GetName(), metav1.GetOptions{})
	if getErr != nil {
		return made, fmt.Errorf("create %s: %w; and whose it is cannot be seen: %w", what, err, getErr)
	}
	return made, fmt.Errorf("create %s: it exists since %s and %s; delete it, or choose another run ID: %w",
		what, existing.GetCreationTimestamp().UTC().Format("2006-01-02T15:04:05Z"), ownership(existing, object.GetLabels()[RunLabel]), err)
}

// fullName is namespace/name, or the name alone.
func fullName(object metav1.Object) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}
	return object.GetNamespace() + "/" + object.GetName()
}

// ownership says in words whose an object is.
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

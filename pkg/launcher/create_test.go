package launcher_test

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
)

func TestCreateKnowsTheKindsOfRuns(t *testing.T) {
	t.Parallel()
	meta := metav1.ObjectMeta{Name: "one", Namespace: "run-1", Labels: map[string]string{RunLabel: "r"}}
	global := metav1.ObjectMeta{Name: "one", Labels: meta.Labels}
	for resource, object := range map[string]Object{
		"namespaces":                        &corev1.Namespace{ObjectMeta: global},
		"validatingadmissionpolicies":       &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: global},
		"validatingadmissionpolicybindings": &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: global},
		"serviceaccounts":                   &corev1.ServiceAccount{ObjectMeta: meta},
		"roles":                             &rbacv1.Role{ObjectMeta: meta},
		"rolebindings":                      &rbacv1.RoleBinding{ObjectMeta: meta},
		"configmaps":                        &corev1.ConfigMap{ObjectMeta: meta},
		"secrets":                           &corev1.Secret{ObjectMeta: meta},
		"persistentvolumeclaims":            &corev1.PersistentVolumeClaim{ObjectMeta: meta},
		"services":                          &corev1.Service{ObjectMeta: meta},
		"networkpolicies":                   &networkingv1.NetworkPolicy{ObjectMeta: meta},
		"deployments":                       &appsv1.Deployment{ObjectMeta: meta},
		"statefulsets":                      &appsv1.StatefulSet{ObjectMeta: meta},
		"daemonsets":                        &appsv1.DaemonSet{ObjectMeta: meta},
		"jobs":                              &batchv1.Job{ObjectMeta: meta},
		"pods":                              &corev1.Pod{ObjectMeta: meta},
	} {
		client := withUIDs(fake.NewClientset())
		made, err := Create(t.Context(), client, object)
		if err != nil || made.GetUID() != "uid-of-one" {
			t.Errorf("%s: %v, %v; want the object as it was made", resource, made, err)
			continue
		}
		if actions := client.Actions(); len(actions) != 1 || actions[0].GetResource().Resource != resource ||
			actions[0].GetNamespace() != object.GetNamespace() {
			t.Errorf("%s: %v; want one that was created", resource, actions)
		}
		if _, err := Create(t.Context(), client, object); err == nil || !strings.Contains(err.Error(), "belongs to this very run") {
			t.Errorf("%s that exists: %v, want whose it is", resource, err)
		}
	}
	unknown := &corev1.ReplicationController{TypeMeta: metav1.TypeMeta{Kind: "ReplicationController"}, ObjectMeta: meta}
	if _, err := Create(t.Context(), fake.NewClientset(), unknown); err == nil ||
		!strings.Contains(err.Error(), "ReplicationController run-1/one") {
		t.Errorf("an unknown kind: %v, want its name", err)
	}
}

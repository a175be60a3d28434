//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/storage"
)

// The identities of components that Kubernetes has no role for by itself.
const (
	dnsUser           = "sparkchaos:coredns"
	provisionerUser   = "sparkchaos:volume-provisioner"
	kubeletClientUser = "sparkchaos:kube-apiserver-kubelet-client"
)

// classes are the names of the storage classes.
func classes() cluster.StorageClasses {
	return cluster.StorageClasses{Shared: "shared", Local: "local"}
}

// bootstrap makes the objects that every cluster starts with. They are the same in all clusters, so they are made
// once, in the template of the store.
func bootstrap(ctx context.Context, client kubernetes.Interface) error {
	var errs []error
	created := func(err error) {
		if err != nil && !apierrors.IsAlreadyExists(err) {
			errs = append(errs, fmt.Errorf("make the cluster's own objects: %w", err))
		}
	}
	options := metav1.CreateOptions{}
	for _, role := range roles() {
		_, err := client.RbacV1().ClusterRoles().Create(ctx, &role, options)
		created(err)
	}
	for _, binding := range bindings() {
		_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, &binding, options)
		created(err)
	}
	for _, class := range storageClasses() {
		_, err := client.StorageV1().StorageClasses().Create(ctx, &class, options)
		created(err)
	}
	_, err := client.CoreV1().Services(metav1.NamespaceSystem).Create(ctx, dnsService(), options)
	created(err)
	_, err = client.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem).Create(ctx, dnsEndpoints(), options)
	created(err)
	return errors.Join(errs...)
}

func roles() []rbacv1.ClusterRole {
	read := []string{"get", "list", "watch"}
	return []rbacv1.ClusterRole{
		{ObjectMeta: metav1.ObjectMeta{Name: dnsUser}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"services", "pods", "namespaces"}, Verbs: []string{"list", "watch"}},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
		}},
		{ObjectMeta: metav1.ObjectMeta{Name: provisionerUser}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"persistentvolumes"},
				Verbs: append([]string{"create", "delete", "patch", "update"}, read...)},
			{APIGroups: []string{""}, Resources: []string{"persistentvolumeclaims"}, Verbs: append([]string{"update", "patch"}, read...)},
			{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses"}, Verbs: read},
			{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: read},
			{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "update", "patch"}},
		}},
	}
}

func bindings() []rbacv1.ClusterRoleBinding {
	bind := func(user, role string) rbacv1.ClusterRoleBinding {
		return rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
			RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", APIGroup: rbacv1.GroupName, Name: role},
		}
	}
	return []rbacv1.ClusterRoleBinding{bind(dnsUser, dnsUser), bind(provisionerUser, provisionerUser),
		bind(kubeletClientUser, "system:kubelet-api-admin")}
}

func storageClasses() []storagev1.StorageClass {
	reclaim := corev1.PersistentVolumeReclaimDelete
	immediate, late := storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer
	names := classes()
	return []storagev1.StorageClass{
		{
			ObjectMeta: metav1.ObjectMeta{Name: names.Shared,
				Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
			Provisioner: storage.Name, Parameters: map[string]string{storage.PlaceParameter: storage.PlaceShared}, ReclaimPolicy: &reclaim,
			VolumeBindingMode: &immediate,
		},
		{
			ObjectMeta:  metav1.ObjectMeta{Name: names.Local},
			Provisioner: storage.Name, Parameters: map[string]string{storage.PlaceParameter: storage.PlaceNode}, ReclaimPolicy: &reclaim,
			VolumeBindingMode: &late,
		},
	}
}

// dnsPorts are those of the cluster's name server, which runs beside the API server and not in a pod: it survives the loss of any worker.
func dnsPorts() map[string]corev1.Protocol {
	return map[string]corev1.Protocol{"dns": corev1.ProtocolUDP, "dns-tcp": corev1.ProtocolTCP}
}

const dnsPort = 53

func dnsService() *corev1.Service {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-dns", Labels: map[string]string{"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}},
		Spec:       corev1.ServiceSpec{ClusterIP: network.DNSIP},
	}
	for name, protocol := range dnsPorts() {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: name, Port: dnsPort, Protocol: protocol})
	}
	return service
}

func dnsEndpoints() *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "kube-dns-control-plane",
			Labels: map[string]string{discoveryv1.LabelServiceName: "kube-dns", discoveryv1.LabelManagedBy: "sparkchaos"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{network.ControlIP},
			Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}},
	}
	port := int32(dnsPort)
	for name, protocol := range dnsPorts() {
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &name, Port: &port, Protocol: &protocol})
	}
	return slice
}

package existing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// permissionsName is that of the cluster role that is proposed.
const permissionsName = "sparkchaos"

// MissingPermissionsError lists what the context's user may not do and a run has to.
type MissingPermissionsError struct {
	Context string
	Missing []string // verb and resource
	Role    string   // YAML of a cluster role that would do
}

// Error names all of them and the role.
func (e *MissingPermissionsError) Error() string {
	return fmt.Sprintf("the user of context %s may not %s; this cluster role would do:\n%s", e.Context, strings.Join(e.Missing, ", "), e.Role)
}

// permissions is what the harness does in the cluster. Each run has a namespace of its own, so no role of one namespace is enough.
func permissions() []rbacv1.PolicyRule {
	rule := func(group string, resources, verbs string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: strings.Fields(resources), Verbs: strings.Fields(verbs)}
	}
	return []rbacv1.PolicyRule{
		rule("", "namespaces", "get list create delete"),
		rule("", "nodes", "get list watch update"),
		rule("", "pods", "get list watch create update patch delete deletecollection"),
		rule("", "pods/exec pods/portforward pods/eviction", "create"),
		rule("", "pods/log", "get"),
		rule("", "configmaps", "get list watch create update patch delete deletecollection"),
		rule("", "persistentvolumeclaims", "get list watch create update patch delete deletecollection"),
		rule("", "services", "get list watch create update patch delete deletecollection"),
		rule("", "secrets serviceaccounts", "get create"),
		rule("", "events", "list watch"),
		rule("", "persistentvolumes", "get list watch"),
		rule("batch", "jobs", "get list watch create delete deletecollection"),
		rule("apps", "deployments daemonsets", "get list watch create delete deletecollection"),
		rule("coordination.k8s.io", "leases", "get list watch create update"),
		rule("networking.k8s.io", "networkpolicies", "get create"),
		rule("rbac.authorization.k8s.io", "roles rolebindings", "get create"),
		rule("storage.k8s.io", "storageclasses", "get list"),
	}
}

// restrictingPermissions are those without which nothing restricts the pods that the workload's code can create. A run goes
// on without them.
func restrictingPermissions() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{
		APIGroups: []string{"admissionregistration.k8s.io"}, Verbs: []string{"get", "create", "delete"},
		Resources: []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"},
	}}
}

// metricsPermissions are those without which a run has no samples of the drivers' and the API server's metrics. It goes on without them.
func metricsPermissions() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods/proxy"}, Verbs: []string{"get"}},
		{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}},
	}
}

// CheckPermissions asks the API server for everything that a run does, and returns a MissingPermissionsError with all that the user
// may not. What drivers are granted the user must have, too; the role has that.
func (c *Cluster) CheckPermissions(ctx context.Context) error {
	missing, err := c.missing(ctx, permissions())
	if err != nil || len(missing) == 0 {
		return err
	}
	role, err := permissionsRole()
	if err != nil {
		return err
	}
	return &MissingPermissionsError{Context: c.options.Context, Missing: missing, Role: role}
}

// missing returns what of the rules the user may not do, sorted.
func (c *Cluster) missing(ctx context.Context, rules []rbacv1.PolicyRule) ([]string, error) {
	denied, err := cluster.Denied(ctx, c.client, "", rules)
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", c.options.Context, err)
	}
	return denied, nil
}

// permissionsRole is the YAML of a cluster role with all that a run does.
func permissionsRole() (string, error) {
	role := rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: permissionsName},
		Rules:      slices.Concat(permissions(), restrictingPermissions(), metricsPermissions()),
	}
	encoded, err := yaml.Marshal(role)
	if err != nil {
		return "", fmt.Errorf("write the role %s: %w", permissionsName, err)
	}
	return string(encoded), nil
}

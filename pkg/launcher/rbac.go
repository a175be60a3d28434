package launcher

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// rules are what Spark's driver does in its namespace, and nothing else: it makes, watches and deletes executors, and
// when it stops it deletes by label what it may have made. Settings that make Spark create more kinds add their rules.
func rules(settings map[string]string) []rbacv1.PolicyRule {
	rules := []rbacv1.PolicyRule{
		Rule("pods", "create", "get", "list", "watch", "patch", "update", "delete", "deletecollection"),
		Rule("services", "list", "delete", "deletecollection"),
	}
	if makesClaims(settings) {
		rules = append(rules, Rule("persistentvolumeclaims", "create", "get", "list", "watch", "patch", "update", "delete", "deletecollection"))
	} else {
		rules = append(rules, Rule("persistentvolumeclaims", "list", "delete", "deletecollection"))
	}
	if settings["spark.kubernetes.executor.disableConfigMap"] != "true" {
		rules = append(rules, Rule("configmaps", "create", "get", "list", "watch", "patch", "update", "delete", "deletecollection"))
	}
	return rules
}

func Rule(resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, Verbs: verbs}
}

// makesClaims reports whether the settings ask Spark for volume claims of the executors' own.
func makesClaims(settings map[string]string) bool {
	for key := range settings {
		if strings.HasPrefix(key, "spark.kubernetes.executor.volumes.persistentVolumeClaim.") {
			return true
		}
	}
	return false
}

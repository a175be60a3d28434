package components

import (
	"slices"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// TestRoles checks that the pods of one component carry each role that targets can name, and that no two components share one.
func TestRoles(t *testing.T) {
	t.Parallel()
	roles := []string{launcher.RoleDriver, launcher.RoleExecutor}
	for _, component := range All() {
		for _, role := range component.Roles() {
			if slices.Contains(roles, role) {
				t.Errorf("%s has the role %s, which another one has, too", component.Name(), role)
			}
			roles = append(roles, role)
		}
	}
	for _, role := range scenario.ComponentRoles() {
		if !slices.Contains(roles, role) {
			t.Errorf("targets can name %s, but no component has this role", role)
		}
	}
}

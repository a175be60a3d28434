package existing

import (
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func TestRunsElsewhereAreLeftAlone(t *testing.T) {
	t.Parallel()
	clusters := NewClusters(Settings{Context: "lab", Allowed: []string{"lab"}}, cluster.Environment{})
	if _, err := clusters.Open("prod"); err == nil {
		t.Error("another context is opened")
	}
	if _, err := clusters.Remove(t.Context(), "lab"); err == nil {
		t.Error("a cluster of others is removed")
	}
}

func TestWhereNobodyCanBeAskedNothingIsAllowed(t *testing.T) {
	t.Parallel()
	clusters := NewClusters(Settings{Context: "lab"}, cluster.Environment{})
	if err := clusters.allow(t.Context(), BlastRadius{Context: "lab"}); err == nil || !strings.Contains(err.Error(), "nobody can be asked") {
		t.Errorf("%v, want that nobody can be asked", err)
	}
	if err := clusters.Confirm(t.Context()); err == nil || !strings.Contains(err.Error(), "was not allowed") {
		t.Errorf("%v, want that the context was not allowed", err)
	}
}

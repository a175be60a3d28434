package cli

import (
	"strings"
	"testing"
)

// Without a container engine every command on clusters of kind says what is missing, before anything is begun.
func TestKindNeedsAContainerEngine(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("SPARKCHAOS_STATE", t.TempDir())
	t.Setenv("SPARKCHAOS_CACHE", t.TempDir())
	for _, args := range [][]string{
		{"cluster", "up", "--cluster", "kind"},
		{"cluster", "status", "--cluster", "kind"},
		{"cluster", "down", "--cluster", "kind"},
		{"cluster", "node", "power-off", "sparkchaos-worker", "--cluster", "kind"},
	} {
		code, _, said := run(t.Context(), NewRoot(), args...)
		if code != ExitError && code != ExitCleanUpLeftovers || !strings.Contains(said, "docker is not installed") || !strings.Contains(said, "podman is not installed") {
			t.Errorf("%v: exit code %d, %q; want that both engines are missing", args, code, said)
		}
	}
	// Nothing of kind is asked for by commands that are not about it.
	if code, _, said := run(t.Context(), NewRoot(), "cleanup"); code != ExitPass {
		t.Errorf("cleanup: exit code %d, %q", code, said)
	}
}

func TestOnlyKnownKindsOfClusterAreTaken(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"cluster", "up", "--cluster", "minikube"}, {"plan", "driver-node-power-off", "--cluster", "minikube"}} {
		code, _, said := run(t.Context(), NewRoot(), args...)
		if code != ExitUsage || !strings.Contains(said, `"minikube" is not known; expected one of embedded, kind`) {
			t.Errorf("%v: exit code %d, %q", args, code, said)
		}
	}
	code, out, said := run(t.Context(), NewRoot(), "plan", "driver-node-power-off", "--cluster", "kind")
	if code != ExitPass || !strings.Contains(out, "kind: kind") {
		t.Errorf("plan for kind: exit code %d, %q, plan without its kind of cluster:\n%s", code, said, out)
	}
}

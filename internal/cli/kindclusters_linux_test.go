package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/image"
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
		if code != ExitError && code != ExitCleanUpLeftovers || !strings.Contains(said, "docker is not installed") ||
			!strings.Contains(said, "podman is not installed") {
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
		if code != ExitUsage || !strings.Contains(said, `"minikube" is not known; expected one of embedded, kind, existing`) {
			t.Errorf("%v: exit code %d, %q", args, code, said)
		}
	}
	code, out, said := run(t.Context(), NewRoot(), "plan", "driver-node-power-off", "--cluster", "kind")
	if code != ExitPass || !strings.Contains(out, "kind: kind") {
		t.Errorf("plan for kind: exit code %d, %q, plan without its kind of cluster:\n%s", code, said, out)
	}
}

func TestLoadIntoEngine(t *testing.T) {
	archive := image.Archive{Path: "/cache/image.tar", Reference: "docker.io/sparkchaos/kind-node:1"}
	for name, test := range map[string]struct {
		script, said, failed string
	}{
		"no daemon":     {`echo "cannot connect"; exit 1`, "docker load --input /cache/image.tar", ""},
		"there already": {`exit 0`, "has docker.io/sparkchaos/kind-node:1 already", ""},
		"loaded":        {`[ "$1" != image ]`, "has loaded docker.io/sparkchaos/kind-node:1", ""},
		"refused":       {`[ "$1" = info ] || { echo "disk is full"; exit 1; }`, "", "disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "docker"), []byte("#!/bin/sh\n"+test.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			var progress bytes.Buffer
			err := loadIntoEngine(context.Background(), archive, &progress)
			if test.failed == "" && err != nil || test.failed != "" && (err == nil || !strings.Contains(err.Error(), test.failed)) {
				t.Errorf("error %v, want %q", err, test.failed)
			}
			if !strings.Contains(progress.String(), test.said) {
				t.Errorf("it said %q, want %q", progress.String(), test.said)
			}
		})
	}
}

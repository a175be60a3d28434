package runner_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/internal/fakeworld"
	"github.com/sparkchaos/sparkchaos/pkg/runner"
)

// withManifest returns the options of a run whose workload has a manifest with the text.
func withManifest(t *testing.T, w *fakeworld.World, text string) runner.Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := optionsIn(t, w, planned(t, ""))
	o.Plan.Workload.Manifests = []string{"settings.yaml"}
	o.Artifact = func(context.Context, string) (*os.File, error) { return os.Open(file) }
	return o
}

func TestAWholeRunWithManifests(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	o := withManifest(t, w, "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}")
	finished, err := runner.Run(t.Context(), o)
	if err != nil || finished.Err != nil {
		t.Fatal(err, finished.Err)
	}
	checkPassed(t, o.Plan, finished.Directory)
	checkNothingIsLeft(t, w, o, finished)
}

func TestARunWithAManifestOfNothingEndsBeforeItBegins(t *testing.T) {
	t.Parallel()
	w := fakeworld.New(t, fakeworld.Script{Working: fakeworld.UntilLost})
	o := withManifest(t, w, "{kind: ConfigMap, metadata: {name: settings}}")
	finished, err := runner.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	const says = "manifest settings.yaml, document 1: is no Kubernetes object: apiVersion and kind are missing"
	if finished.Err == nil || !strings.Contains(finished.Err.Error(), says) {
		t.Errorf("got %v, want it to say %q", finished.Err, says)
	}
	checkNothingIsLeft(t, w, o, finished)
}

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const renderedScenario = `apiVersion: sparkchaos.dev/v1alpha1
kind: Scenario
metadata: {name: render-me}
spec:
  workload:
    application: {name: wordcount, mainClass: dev.sparkchaos.workloads.WordCount}
  expect:
  - executorNamesUnique: {}
`

// runRender runs "render" on the text of a scenario.
func runRender(t *testing.T, text string, flags ...string) (code ExitCode, out, err string) {
	t.Helper()
	return runRenderOf(t, renderedFile(t, text), flags...)
}

// renderedFile writes the text of a scenario to a file.
func renderedFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// runRenderOf runs "render" on a file or a shipped scenario with an empty cache.
func runRenderOf(t *testing.T, argument string, flags ...string) (code ExitCode, out, err string) {
	t.Helper()
	return runRenderIn(t, t.TempDir(), argument, flags...)
}

// runRenderIn runs it with a cache.
func runRenderIn(t *testing.T, cache, argument string, flags ...string) (code ExitCode, out, err string) {
	t.Helper()
	getenv := func(name string) string {
		if name == "SPARKCHAOS_CACHE" {
			return cache
		}
		return ""
	}
	root := newGroup("sparkchaos", "", newRenderCommand(getenv))
	root.SilenceErrors, root.SilenceUsage = true, true
	return run(t.Context(), root, append([]string{"render", argument}, flags...)...)
}

func TestRenderPrintsManifestsWithDefaults(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	jar := filepath.Join(cache, "witness.jar")
	if err := errors.Join(os.WriteFile(jar, []byte("jar"), 0o600), os.Mkdir(filepath.Join(cache, "images"), 0o700),
		os.WriteFile(filepath.Join(cache, "images", "witness.json"), fmt.Appendf(nil, `{"path": %q}`, jar), 0o600)); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := runRenderIn(t, cache, renderedFile(t, renderedScenario), "--image=registry.example/spark:4",
		"--witness-url=http://h:1", "--pull-policy=Never")
	if code != ExitPass {
		t.Fatalf("exit code %d, want 0: %s", code, stderr)
	}
	for _, want := range []string{
		"kind: Namespace", "name: sparkchaos-render-me", "sparkchaos.dev/run: render-me", "kind: Job", "name: wordcount-driver",
		"image: registry.example/spark:4", "imagePullPolicy: Never", "spark.executor.memory=512m", "spark.sparkchaos.witness.url=http://h:1",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the manifests lack %q:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "\n---\n"); n != 9 {
		t.Errorf("%d separators, want 9 between 10 objects", n)
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		flags      []string
		code       ExitCode
		want       string
	}{
		{"an invalid scenario", strings.Replace(renderedScenario, "wordcount,", "wordcount, wrong: 1,", 1), []string{"--image=x"}, ExitUsage,
			"wrong"},
		{"an invalid environment", renderedScenario, []string{"--image=x", "--namespace=No_Namespace", "--source-port=7"}, ExitUsage,
			`namespace "No_Namespace"`},
		{"no image", renderedScenario, nil, ExitError, "--image"},
		{"an image in a file", strings.Replace(renderedScenario, "    application:", "    imageArchive: etl.tar\n    application:", 1), nil,
			ExitUsage, "push it to a registry and name it with --image"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			code, out, stderr := runRender(t, tc.text, tc.flags...)
			if code != tc.code || out != "" || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit code %d, output %q, error %q; want code %d and %q", code, out, stderr, tc.code, tc.want)
			}
		})
	}
}

func TestRenderKnowsAllShippedScenarios(t *testing.T) {
	t.Parallel()
	shipped, err := shippedScenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range shipped {
		t.Run(each.scenario.Metadata.Name, func(t *testing.T) {
			t.Parallel()
			code, out, stderr := runRenderOf(t, each.scenario.Metadata.Name, "--image=registry.example/spark:4",
				"--shuffle-dir=/var/lib/shuffle", "--node-dir=/var/lib/node", "--local-storage-class=local")
			if code != ExitPass || !strings.Contains(out, "name: sparkchaos-"+each.scenario.Metadata.Name) {
				t.Errorf("exit code %d, error %q, output %q; want manifests", code, stderr, out)
			}
			for key, value := range each.scenario.Spec.Workload.Conf {
				if !strings.Contains(out, "- "+key+"="+value.Text+"\n") {
					t.Errorf("the scenario's setting %s=%s is not on the driver's command line", key, value)
				}
			}
		})
	}
}

package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/components"
)

func environment(pairs map[string]string) func(string) string {
	return func(key string) string { return pairs[key] }
}

func TestComponentsListOfAnEmptyCache(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	getenv := environment(map[string]string{"SPARKCHAOS_CACHE": cache})

	code, out, message := run(t.Context(), newComponentsCommand(getenv), "list", "-o", "json")
	if code != ExitPass {
		t.Fatalf("exit code %d: %s", code, message)
	}
	var listed []listedComponent
	if err := json.Unmarshal([]byte(out), &listed); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range listed {
		names = append(names, entry.Name)
		if entry.Built || entry.Bytes != 0 || filepath.Dir(entry.Directory) != filepath.Join(cache, "components") {
			t.Errorf("%+v, want a missing component in %s", entry, cache)
		}
	}
	var want []string
	for _, recipe := range components.Recipes() {
		want = append(want, recipe.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}

	_, table, _ := run(t.Context(), newComponentsCommand(getenv), "list")
	if lines := strings.Count(table, "missing"); lines != len(want) {
		t.Errorf("%d components are missing in the table, want %d:\n%s", lines, len(want), table)
	}
}

func TestComponentsFailures(t *testing.T) {
	t.Parallel()
	cache := map[string]string{"SPARKCHAOS_CACHE": t.TempDir()}
	tests := map[string]struct {
		environment map[string]string
		args        []string
		code        ExitCode
		message     string
	}{
		"nothing built":         {cache, []string{"path", "kubectl"}, ExitError, "sparkchaos setup"},
		"no home":               {nil, []string{"list"}, ExitError, "SPARKCHAOS_CACHE"},
		"unknown format":        {cache, []string{"list", "-o", "yaml"}, ExitUsage, `--output is "yaml"; expected table or json`},
		"outside of a checkout": {cache, []string{"build", "--source", "/"}, ExitUsage, "--source CHECKOUT"},
		"build of an unknown": {cache, []string{"build", "--source", "../..", "docker"}, ExitUsage,
			`"docker" is not accepted by "components build"`},
		"unknown subcommand":     {cache, []string{"biuld"}, ExitUsage, "did you mean build?"},
		"arguments that list no": {cache, []string{"list", "runc"}, ExitUsage, "--help"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newComponentsCommand(environment(test.environment))
			root.SilenceErrors, root.SilenceUsage = true, true
			code, _, message := run(t.Context(), root, test.args...)
			if code != test.code || !strings.Contains(message, test.message) {
				t.Errorf("exit code %d and %q, want %d and a message with %q", code, message, test.code, test.message)
			}
		})
	}
}

func TestVersionNamesTheComponents(t *testing.T) {
	t.Parallel()
	code, out, message := run(t.Context(), NewRoot(), "version")
	if code != ExitPass {
		t.Fatalf("exit code %d: %s", code, message)
	}
	for _, want := range []string{"sparkchaos ", "go1.", "kubernetes v", "containerd v"} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

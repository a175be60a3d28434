package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// awayRegistry is one that has just ended.
func awayRegistry() string {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	return "oci://" + strings.TrimPrefix(server.URL, "http://") + "/parts"
}

func TestPartsFailures(t *testing.T) {
	t.Parallel()
	cache := map[string]string{"SPARKCHAOS_CACHE": t.TempDir()}
	away := awayRegistry()
	for name, test := range map[string]struct {
		environment map[string]string
		args        []string
		code        ExitCode
		message     string
	}{
		"no reference":           {cache, []string{"pull"}, ExitUsage, "--help"},
		"no OCI reference":       {cache, []string{"pull", "https://localhost/parts"}, ExitUsage, "want oci://"},
		"push to no reference":   {cache, []string{"push", "UPPER"}, ExitUsage, "want oci://"},
		"all and a name":         {cache, []string{"pull", "--all", away, "runc"}, ExitUsage, "--all takes every part"},
		"no home":                {nil, []string{"pull", away}, ExitError, "SPARKCHAOS_CACHE"},
		"no home to import into": {nil, []string{"import", "parts.tar.zst"}, ExitError, "SPARKCHAOS_CACHE"},
		"the registry is away":   {cache, []string{"pull", "--source", "../..", away}, ExitError, "connection refused"},
		"no such file":           {cache, []string{"import", "--source", "../..", "none.tar.zst"}, ExitError, "none.tar.zst"},
		"nothing to export": {cache, []string{"export", "--source", "../..", filepath.Join(t.TempDir(), "p")}, ExitError,
			"sparkchaos setup"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newPartsCommand(environment(test.environment))
			root.SilenceErrors, root.SilenceUsage = true, true
			code, _, message := run(t.Context(), root, test.args...)
			if code != test.code || !strings.Contains(message, test.message) {
				t.Errorf("exit code %d and %q, want %d and a message with %q", code, message, test.code, test.message)
			}
		})
	}
}

// A registry that is away is told, and the set-up goes on to build.
func TestSetupWithoutTheRegistryOfParts(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(cache, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	command := newSetupCommand(environment(map[string]string{"SPARKCHAOS_CACHE": cache, "SPARKCHAOS_PARTS": awayRegistry()}))
	code, out, message := run(t.Context(), command, "--packages=false", "--source", "../..")
	if code != ExitError || !strings.Contains(out, "1 of 3: parts from oci://") || !strings.Contains(out, "2 of 3: components") {
		t.Errorf("exit code %d, %q, %q", code, out, message)
	}
	if !strings.Contains(message, "is built from source") {
		t.Errorf("what is said lacks that it is built from source: %q", message)
	}
}

func TestCacheOfAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"list"}, {"list", "-o", "json"}, {"list", "--verify"}, {"prune"}, {"prune", "--dry-run"}} {
		command := newCacheCommand(environment(map[string]string{"SPARKCHAOS_CACHE": t.TempDir()}))
		if code, _, message := run(t.Context(), command, args...); code != ExitPass {
			t.Errorf("%q: exit code %d, %s", args, code, message)
		}
	}
	command := newCacheCommand(environment(nil))
	if code, _, message := run(t.Context(), command, "prune"); code != ExitError || !strings.Contains(message, "SPARKCHAOS_CACHE") {
		t.Errorf("without a home: exit code %d, %s", code, message)
	}
}

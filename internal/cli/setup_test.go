package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/scripts"
)

func TestSetupRefuses(t *testing.T) {
	t.Parallel()
	code, _, message := run(t.Context(), newSetupCommand(environment(nil)), "--packages=false")
	if code != ExitError || !strings.Contains(message, "HOME is not set") {
		t.Errorf("without a HOME: exit code %d, %q", code, message)
	}
	cache := t.TempDir() + "/file"
	if err := os.WriteFile(cache, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, message := run(t.Context(), newSetupCommand(environment(map[string]string{"SPARKCHAOS_CACHE": cache})), "--packages=false")
	if code != ExitError || !strings.Contains(out, "1 of 2: components") || !strings.Contains(message, "a second call continues") {
		t.Errorf("a cache that is a file: exit code %d, %q, %q", code, out, message)
	}
}

func TestTheScriptForPackagesIsEmbedded(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("../../scripts/install-system-packages")
	if err != nil || scripts.InstallSystemPackages != string(want) {
		t.Errorf("the embedded script differs from the file's %d bytes, %v", len(want), err)
	}
}

package paths_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/paths"
)

func TestDirectories(t *testing.T) {
	t.Parallel()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		environment  map[string]string
		cache, state string
	}{
		"home alone": {
			environment: map[string]string{"HOME": "/home/ann"},
			cache:       "/home/ann/.cache/sparkchaos", state: "/home/ann/.local/state/sparkchaos",
		},
		"XDG before home": {
			environment: map[string]string{"HOME": "/home/ann", "XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"},
			cache:       "/c/sparkchaos", state: "/s/sparkchaos",
		},
		"a relative XDG path is ignored": {
			environment: map[string]string{"HOME": "/home/ann", "XDG_CACHE_HOME": "c", "XDG_STATE_HOME": "./s"},
			cache:       "/home/ann/.cache/sparkchaos", state: "/home/ann/.local/state/sparkchaos",
		},
		"own variables before all, as they are": {
			environment: map[string]string{"XDG_CACHE_HOME": "/c", "SPARKCHAOS_CACHE": "/with space/ü/", "SPARKCHAOS_STATE": "/var/lib/x"},
			cache:       "/with space/ü", state: "/var/lib/x",
		},
		"own variables may be relative": {
			environment: map[string]string{"SPARKCHAOS_CACHE": "cache", "SPARKCHAOS_STATE": "../state"},
			cache:       filepath.Join(here, "cache"), state: filepath.Join(filepath.Dir(here), "state"),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			getenv := func(key string) string { return test.environment[key] }
			cache, err := paths.Cache(getenv)
			if err != nil {
				t.Fatalf("Cache: %v", err)
			}
			state, err := paths.State(getenv)
			if err != nil {
				t.Fatalf("State: %v", err)
			}
			if diff := cmp.Diff([]string{test.cache, test.state}, []string{cache, state}); diff != "" {
				t.Errorf("cache and state (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithoutHomeTheVariableToSetIsNamed(t *testing.T) {
	t.Parallel()
	empty := func(string) string { return "" }
	if _, err := paths.Cache(empty); err == nil || !strings.Contains(err.Error(), "SPARKCHAOS_CACHE") {
		t.Errorf("Cache = %v, want an error that names SPARKCHAOS_CACHE", err)
	}
	if _, err := paths.State(empty); err == nil || !strings.Contains(err.Error(), "SPARKCHAOS_STATE") {
		t.Errorf("State = %v, want an error that names SPARKCHAOS_STATE", err)
	}
}

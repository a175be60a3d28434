package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/filesums"
	"github.com/sparkchaos/sparkchaos/internal/paths"
	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// removable are clusters of which each can be removed but those that are stuck.
type removable struct {
	cluster.Provider
	removed *[]string
}

func (removable) Kind() string { return "embedded" }

func (r removable) Remove(_ context.Context, name string) (bool, error) {
	if name == "stuck" {
		return true, errors.New("a process does not end")
	}
	*r.removed = append(*r.removed, name)
	return true, nil
}

func makeFiles(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUninstall(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		clusters  []string
		run       bool // one was not cleaned up after
		force, no bool
		says      []string
		fails     string
		removed   []string
		gone      bool
	}{
		"all":       {says: []string{"what goes:", "is gone", "the program itself"}, gone: true},
		"declined":  {no: true, fails: "nothing was done"},
		"a cluster": {clusters: []string{"lab"}, fails: "`sparkchaos cluster down --cluster embedded --name lab` removes it"},
		"a run":     {run: true, fails: "`sparkchaos cleanup`"},
		"forced": {clusters: []string{"lab"}, run: true, force: true, says: []string{"the embedded cluster lab is gone", "run r-1"},
			removed: []string{"lab"}, gone: true},
		"forced, declined": {clusters: []string{"lab"}, force: true, no: true, fails: "nothing was done"},
		"one is stuck": {clusters: []string{"stuck", "lab"}, force: true, fails: "the cache and the state were not removed",
			removed: []string{"lab"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			environment := map[string]string{"HOME": home}
			cache, state, err := paths.OwnDirectories(func(key string) string { return environment[key] })
			if err != nil {
				t.Fatal(err)
			}
			makeFiles(t, filepath.Join(cache.Directory, "components", "x"), filepath.Join(state.Directory, "locks", "x"),
				filepath.Join(home, "letter"))
			if tt.run {
				makeFiles(t, filepath.Join(state.Directory, "runs", "r-1.json"))
			}
			var said strings.Builder
			var removed []string
			u := uninstall{cache: cache, state: state, force: tt.force,
				say: func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) },
				ask: func(string) error {
					if tt.no {
						return errors.New("nothing was done")
					}
					return nil
				}}
			for _, name := range tt.clusters {
				u.clusters = append(u.clusters, clusterHere{removable{removed: &removed}, name})
			}
			err = u.do(t.Context())
			if (err != nil) != (tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("error %v, want %q", err, tt.fails)
			}
			for _, words := range tt.says {
				if !strings.Contains(said.String(), words) {
					t.Errorf("it said %q, want %q in it", said.String(), words)
				}
			}
			if diff := cmp.Diff(tt.removed, removed); diff != "" {
				t.Errorf("clusters that were removed (-want +got):\n%s", diff)
			}
			for _, directory := range []string{cache.Directory, state.Directory} {
				if _, err := os.Lstat(directory); os.IsNotExist(err) != tt.gone {
					t.Errorf("%s: %v, want that it is gone: %v", directory, err, tt.gone)
				}
			}
			if _, err := os.Lstat(filepath.Join(home, "letter")); err != nil {
				t.Errorf("beside them: %v", err)
			}
		})
	}
}

// An older version's state has no layout.json; its clusters are found, and what cannot be read says how it is removed.
func TestTheStateOfOtherVersions(t *testing.T) {
	state := ownState(t)
	record := filepath.Join(state, "clusters", "old", "cluster.json")
	makeFiles(t, record)
	if err := os.WriteFile(record, []byte(`{"version": 0, "name": "old", "phase": "running"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, said := run(t.Context(), NewRoot(), "cluster", "list", "-o", "json")
	if code != ExitPass || !strings.Contains(out, "has version 0, expected 1") || !strings.Contains(out, "`cluster down` with this one") {
		t.Errorf("a record of an older version: exit code %d, %q, %q", code, out, said)
	}
	code, _, said = run(t.Context(), NewRoot(), "uninstall", "--yes")
	if code != ExitError || !strings.Contains(said, "the embedded cluster old exists") {
		t.Errorf("uninstall: exit code %d, %q", code, said)
	}
	if err := os.WriteFile(filepath.Join(state, "layout.json"), []byte(`{"layout": 99, "by": "v9.0.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"cluster", "list"}, {"cluster", "up"}, {"cluster", "down"}, {"cleanup"}, {"run", "driver-node-power-off"}, {"uninstall", "--yes"},
	} {
		if code, _, said := run(t.Context(), NewRoot(), args...); code == ExitPass || !strings.Contains(said, "which sparkchaos v9.0.0 wrote") {
			t.Errorf("%v with the state of a newer version: exit code %d, %q", args, code, said)
		}
	}
	if _, err := os.Stat(record); err != nil {
		t.Errorf("what another version wrote: %v", err)
	}
}

// A cache that a variable names is cleared of all that is kept in one, and of nothing else.
func TestAChosenCacheIsCleared(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	chosen := filepath.Join(home, "disk")
	environment := map[string]string{"HOME": home, paths.CacheVariable: chosen}
	cache, _, err := paths.OwnDirectories(func(key string) string { return environment[key] })
	if err != nil {
		t.Fatal(err)
	}
	makeFiles(t, filepath.Join(chosen, "components", "x"), filepath.Join(chosen, "parts", "x"), filepath.Join(chosen, "letter"),
		filesums.In(chosen, filepath.Join(chosen, "components", "x")).Seen)
	left, err := cache.Remove()
	if diff := cmp.Diff([]string{"letter"}, left); diff != "" || err != nil {
		t.Errorf("left (-want +got):\n%s%v", diff, err)
	}
}

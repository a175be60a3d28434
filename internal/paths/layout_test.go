package paths_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/internal/paths"
)

// fill makes files in a directory, with the directories that they need.
func fill(t *testing.T, directory string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(directory, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheLayoutOfTheStateIsKnownOrRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file    string // content of layout.json; empty: there is none
		refused string
	}{
		"of a version before there was a file": {"", ""},
		"this version's":                       {`{"layout": 1, "by": "v1.0.0"}`, ""},
		"a newer version's": {`{"layout": 2, "by": "v9.0.0"}`,
			"which sparkchaos v9.0.0 wrote, and this program knows layouts up to 1"},
		"damaged":          {`{"layout"`, "is damaged"},
		"without a layout": {`{}`, "expected a layout of 1 or more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			fill(t, state, map[string]string{"clusters/lab/cluster.json": "{}"})
			if tt.file != "" {
				fill(t, state, map[string]string{"layout.json": tt.file})
			}
			for what, err := range map[string]error{"CheckState": paths.CheckState(state), "MarkState": paths.MarkState(state, "v1.0.0")} {
				if (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("%s: %v, want %q", what, err, tt.refused)
				}
			}
			content, err := os.ReadFile(filepath.Join(state, "layout.json"))
			want := tt.file
			if want == "" {
				want = `{"layout":1,"by":"v1.0.0"}` + "\n"
			}
			if err != nil || string(content) != want {
				t.Errorf("it is noted %q, %v; want %q", content, err, want)
			}
		})
	}
}

func TestCheckStateMakesNothing(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	if err := paths.CheckState(state); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(state); !os.IsNotExist(err) {
		t.Errorf("it made %s: %v", state, err)
	}
}

// names returns the paths of all files and directories in a directory, or nil if there is none.
func names(t *testing.T, directory string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(directory, func(path string, _ os.DirEntry, err error) error {
		if relative, _ := filepath.Rel(directory, path); err == nil && relative != "." {
			all = append(all, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return all
}

func TestRemoveLeavesWhatIsSomebodyElses(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	fill(t, outside, map[string]string{"precious": "x", "sub/precious": "x"})
	home := t.TempDir()
	chosen := filepath.Join(home, "chosen")
	environment := map[string]string{"HOME": home, "SPARKCHAOS_CACHE": chosen}
	cache, state, err := paths.OwnDirectories(func(key string) string { return environment[key] })
	if err != nil {
		t.Fatal(err)
	}
	fill(t, chosen, map[string]string{"components/etcd/bin/etcd": "x", "images/spark.tar": "x", "letters/mine.txt": "x", "notes.txt": "x"})
	fill(t, state.Directory, map[string]string{"clusters/lab/cluster.json": "x", "of-another-version/x": "x"})
	for _, link := range []string{filepath.Join(chosen, "templates"), filepath.Join(chosen, "components", "etcd", "link"),
		filepath.Join(state.Directory, "runs")} {
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(chosen, "components", "etcd", "bin"), 0o500); err != nil {
		t.Fatal(err)
	}
	left, err := cache.Remove()
	if diff := cmp.Diff([]string{"letters", "notes.txt"}, left); diff != "" || err != nil {
		t.Errorf("left of the cache that was chosen: %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"letters", "letters/mine.txt", "notes.txt"}, names(t, chosen)); diff != "" {
		t.Errorf("the cache that was chosen (-want +got):\n%s", diff)
	}
	if left, err := state.Remove(); err != nil || len(left) > 0 {
		t.Errorf("left of the state: %v, %v", left, err)
	}
	if _, err := os.Lstat(state.Directory); !os.IsNotExist(err) {
		t.Errorf("the state directory is still there: %v", err)
	}
	if diff := cmp.Diff([]string{"precious", "sub", "sub/precious"}, names(t, outside)); diff != "" {
		t.Errorf("where links led (-want +got):\n%s", diff)
	}
	if left, err := state.Remove(); err != nil || len(left) > 0 {
		t.Errorf("a second time: %v, %v", left, err)
	}
}

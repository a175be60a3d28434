package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/clustertest"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/locks/lockstest"
)

// ownState gives the program a state and a cache of its own; the tests that use it cannot be parallel.
func ownState(t *testing.T) (state string) {
	t.Helper()
	state = filepath.Join(t.TempDir(), "state")
	t.Setenv("SPARKCHAOS_STATE", state)
	t.Setenv("SPARKCHAOS_CACHE", filepath.Join(t.TempDir(), "cache"))
	return state
}

func TestNamesOfClustersAreAMatterOfUsage(t *testing.T) {
	state := ownState(t)
	for _, kind := range []string{"embedded", "kind"} {
		for _, command := range [][]string{
			{"cluster", "up"}, {"cluster", "down"}, {"cluster", "down", "--force"}, {"cluster", "status"}, {"cluster", "kubeconfig"},
			{"cluster", "load", "x.tar"}, {"cluster", "logs"},
			{"cluster", "node", "list"}, {"cluster", "node", "power-off", "worker-1"},
			{"chaos-mesh", "install"}, {"chaos-mesh", "uninstall"}, {"chaos-mesh", "status"},
			{"run", "driver-node-power-off"},
		} {
			flag := "--name"
			if command[0] == "run" {
				flag = "--cluster-name"
			}
			for _, name := range clustertest.BadNames() {
				args := append(append([]string{}, command...), "--cluster", kind, flag+"="+name)
				if code, _, said := run(t.Context(), NewRoot(), args...); code != ExitUsage || !strings.Contains(said, "cannot be a cluster's name") {
					t.Errorf("%q: exit code %d, %q; want an error of usage", args, code, said)
				}
			}
		}
		for _, node := range clustertest.BadNames() {
			args := []string{"cluster", "node", "power-off", "--cluster", kind, "--", node}
			if code, _, said := run(t.Context(), NewRoot(), args...); code != ExitUsage || !strings.Contains(said, "cannot be a node's name") {
				t.Errorf("%q: exit code %d, %q; want an error of usage", args, code, said)
			}
		}
	}
	if _, err := os.Lstat(state); !os.IsNotExist(err) {
		t.Errorf("they made %s, %v", state, err)
	}
}

func TestAClusterThatIsHeldIsLeftToItsRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, as the embedded cluster does")
	}
	state := ownState(t)
	runs := filepath.Join(t.TempDir(), "runs")
	for _, kind := range []string{"embedded", "kind"} {
		lockstest.Held(t, state, kind, "lab")
		for _, args := range [][]string{
			{"run", "driver-node-power-off", "--cluster-name", "lab", "--out", runs},
			{"run", "driver-node-power-off", "--cluster-name", "lab", "--out", runs, "--wait=1s"},
			{"cluster", "down", "--name", "lab"},
			{"cluster", "node", "power-off", "worker-1", "--name", "lab"},
		} {
			args = append(args, "--cluster", kind)
			code, _, said := run(t.Context(), NewRoot(), args...)
			if code != ExitError || !strings.Contains(said, "is held by run r-other (process "+fmt.Sprint(os.Getpid())+") since ") {
				t.Errorf("%v: exit code %d, %q; want 3, and who holds it since when", args, code, said)
			}
		}
		if code, _, said := run(t.Context(), NewRoot(), "cluster", "down", "--force", "--name", "lab", "--cluster",
			"embedded"); code != ExitPass {
			t.Errorf("by force: exit code %d, %q", code, said)
		}
	}
	if _, err := os.Lstat(runs); !os.IsNotExist(err) {
		t.Errorf("a run that was refused made %s, %v", runs, err)
	}
}

func TestWaitIsForClustersOfThisMachine(t *testing.T) {
	ownState(t)
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"run", "driver-node-power-off", "--wait=-1s"}, "not negative"},
		{[]string{"run", "driver-node-power-off", "--wait", "--cluster", "existing", "--context", "c", "--allow-context", "c", "--pod-image",
			"i"}, "existing cluster is refused"},
	} {
		if code, _, said := run(t.Context(), NewRoot(), tt.args...); code != ExitUsage || !strings.Contains(said, tt.says) {
			t.Errorf("%v: exit code %d, %q; want %q", tt.args, code, said, tt.says)
		}
	}
}

func TestClusterListShowsAllKinds(t *testing.T) {
	state := ownState(t)
	t.Setenv("PATH", t.TempDir()) // no container engine
	if code, out, said := run(t.Context(), NewRoot(), "cluster", "list"); code != ExitPass ||
		!strings.Contains(out, "there is no cluster in "+state) {
		t.Errorf("without clusters: exit code %d, %q, %q", code, out, said)
	}
	for file, content := range map[string]string{
		"clusters/kept/cluster.json":    `{"version": 1, "name": "kept", "phase": "running", "workers": 3, "created": "2026-01-02T03:04:05Z"}`,
		"clusters/damaged/cluster.json": "{",
		"kind/lab/cluster.json":         `{"name": "lab", "engine": "docker", "workers": 2, "running": true, "created": "2026-01-02T03:04:05Z"}`,
		"kind/notes.txt":                "none of ours",
	} {
		path := filepath.Join(state, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lockstest.Held(t, state, "kind", "lab")
	code, out, said := run(t.Context(), NewRoot(), "cluster", "ls", "-o", "json")
	var got []listedCluster
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != ExitPass {
		t.Fatalf("exit code %d, %q, %q: %v", code, out, said, err)
	}
	type row struct{ kind, name, state, holder string }
	var rows []row
	for _, c := range got {
		r := row{kind: c.Kind, name: c.Name, state: c.State}
		if c.HeldBy != nil {
			r.holder = c.HeldBy.Run
		}
		rows = append(rows, r)
	}
	want := []struct {
		kind, name, state, holder string
	}{
		{"embedded", "damaged", "is damaged", ""}, {"embedded", "kept", "stopped", ""},
		{"kind", "lab", "unknown: docker does not answer", "r-other"},
	}
	if len(rows) != len(want) {
		t.Fatalf("listed are %+v", rows)
	}
	for i, w := range want {
		if r := rows[i]; r.kind != w.kind || r.name != w.name || !strings.Contains(r.state, w.state) || r.holder != w.holder {
			t.Errorf("row %d is %+v, want %+v", i, r, w)
		}
	}
	if code, out, said := run(t.Context(), NewRoot(), "cluster", "list"); code != ExitPass ||
		!strings.Contains(out, "run r-other (process ") || !strings.Contains(out, "kept") {
		t.Errorf("the table: exit code %d, %q, %q", code, out, said)
	}
	if code, _, said := run(t.Context(), NewRoot(), "cluster", "list", "-o", "yaml"); code != ExitUsage {
		t.Errorf("another output: exit code %d, %q", code, said)
	}
}

var _ cluster.Exclusive = keptClusters{}

// keptClusters are there until they are removed.
type keptClusters struct {
	cluster.Provider
	*locks.Holds
	absent bool
}

func (keptClusters) Kind() string { return "embedded" }

func (k keptClusters) Open(string) (cluster.Cluster, error) {
	if k.absent {
		return nil, cluster.ErrNotFound
	}
	return nil, nil
}

func TestAKeptClusterIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ keep, absent, told bool }{{true, false, true}, {true, true, false}, {false, false, false}} {
		var out bytes.Buffer
		sayThatKept(keptClusters{absent: tt.absent}, "lab", tt.keep, newProgress(&out, noEnvironment, false))
		if told := strings.Contains(out.String(),
			"cluster lab is kept: `sparkchaos cluster down --cluster embedded --name lab` removes it"); told != tt.told {
			t.Errorf("%+v: %q", tt, out.String())
		}
	}
}

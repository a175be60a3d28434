package existing

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

const goodActions = `apiVersion: sparkchaos.dev/v1alpha1
kind: NodeActions
nodes: {command: [list-machines], timeout: 10s}
actions:
  power-off: {command: [ipmitool, -H, "{node}-bmc", chassis, power, "off"], timeout: 90s}
  power-on: {command: [ipmitool, -H, "{node}-bmc", chassis, power, "on"]}
`

func TestParseNodeActions(t *testing.T) {
	t.Parallel()
	actions, err := ParseNodeActions("actions.yaml", []byte(goodActions))
	if err != nil {
		t.Fatal(err)
	}
	want := &NodeActions{
		APIVersion: "sparkchaos.dev/v1alpha1", Kind: "NodeActions",
		Nodes: Command{Command: []string{"list-machines"}, Timeout: 10 * time.Second},
		Actions: map[string]Command{
			"power-off": {Command: []string{"ipmitool", "-H", "{node}-bmc", "chassis", "power", "off"}, Timeout: 90 * time.Second},
			"power-on":  {Command: []string{"ipmitool", "-H", "{node}-bmc", "chassis", "power", "on"}},
		},
	}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]cluster.Action{cluster.PowerOff, cluster.PowerOn}, actions.Can()); diff != "" {
		t.Errorf("what it can (-want +got):\n%s", diff)
	}
	var none *NodeActions
	if can := none.Can(); len(can) > 0 {
		t.Errorf("without a file it can %v", can)
	}
}

func TestBadNodeActionsAreNamedTogether(t *testing.T) {
	t.Parallel()
	_, err := ParseNodeActions("actions.yaml", []byte(`apiVersion: sparkchaos.dev/v1alpha1
kind: NodeActions
nodes: {command: []}
actions:
  power-of: {command: [x, "{node}"]}
  freeze: {command: [x, "{node}"]}
  power-off: {command: [x]}
  power-on: {command: [x, "{node}"], timeout: soon}
`))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"actions.yaml:3:", "want a program and its arguments",
		`actions.yaml:5:`, `"power-of" is no action`, "power-off",
		"actions.yaml:6:", "nothing undoes it; give a command for thaw, too",
		"actions.yaml:7:", "it does not say {node}",
		"actions.yaml:8:", `"soon" is not a duration`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
}

func FuzzParseNodeActions(f *testing.F) {
	f.Add([]byte(goodActions))
	f.Add([]byte("kind: NodeActions\nactions: {thaw: {}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		actions, err := ParseNodeActions("fuzzed", data)
		if (actions == nil) == (err == nil) {
			t.Errorf("got %v and %v, want one of them", actions, err)
		}
	})
}

func TestParseStates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		out  string
		want map[string]cluster.Node
		says string
	}{
		"two machines": {
			out: `[{"name":"a","power":"on","kubelet":true,"bootID":"1"},{"name":"b","power":"off"}]`,
			want: map[string]cluster.Node{
				"a": {Name: "a", Power: cluster.On, Kubelet: true, BootID: "1"}, "b": {Name: "b", Power: cluster.Off},
			},
		},
		"no JSON":        {out: "a is on", says: "expected a JSON list of machines"},
		"no name":        {out: `[{"power":"on"}]`, says: "machine 0 has no name"},
		"power unknown":  {out: `[{"name":"a","power":"standby"}]`, says: `power is "standby", want on or off`},
		"the same twice": {out: `[{"name":"a","power":"on"},{"name":"a","power":"off"}]`, says: "machine a is there twice"},
	} {
		got, err := parseStates([]byte(tt.out))
		if tt.says != "" {
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: %v, want %q", name, err, tt.says)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func FuzzParseStates(f *testing.F) {
	f.Add([]byte(`[{"name":"a","power":"on"}]`))
	f.Fuzz(func(t *testing.T, out []byte) {
		nodes, err := parseStates(out)
		if err != nil {
			return
		}
		for name, node := range nodes {
			if name == "" || node.Power != cluster.On && node.Power != cluster.Off {
				t.Errorf("machine %q is taken with power %q", name, node.Power)
			}
		}
	})
}

func TestCommandSaysWhatFailed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "was")
	if _, err := (Command{Command: []string{"sh", "-c", "echo {node} > " + file}}).run(context.Background(), "worker-1"); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "worker-1\n" {
		t.Errorf("the command saw %q, %v", content, err)
	}
	_, err := (Command{Command: []string{"sh", "-c", "echo no such machine >&2; exit 3"}}).run(context.Background(), "worker-1")
	if err == nil || !strings.Contains(err.Error(), "exit status 3: no such machine") {
		t.Errorf("a command that fails: %v", err)
	}
	_, err = (Command{Command: []string{"sleep", "60"}, Timeout: 50 * time.Millisecond}).run(context.Background(), "worker-1")
	if err == nil || !strings.Contains(err.Error(), "it did not end within 50ms") {
		t.Errorf("a command that hangs: %v", err)
	}
}

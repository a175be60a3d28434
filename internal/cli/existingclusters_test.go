package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/existing"
)

func TestAnExistingClusterIsOnlyWorkedOnIfAllowed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "actions.yaml")
	if err := os.WriteFile(file, []byte("kind: NodeActions\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"no context": {[]string{"run", "executor-pod-kill", "--cluster", "existing"}, "needs --context NAME"},
		"not allowed": {[]string{"run", "executor-pod-kill", "--cluster", "existing", "--context", "prod"},
			"context prod was not allowed"},
		"another one allowed": {[]string{"run", "executor-pod-kill", "--cluster", "existing", "--context", "prod", "--allow-context", "lab"},
			"context prod was not allowed"},
		"clean-up":   {[]string{"cleanup", "--cluster", "existing", "--context", "prod"}, "context prod was not allowed"},
		"Chaos Mesh": {[]string{"chaos-mesh", "status", "--cluster", "existing", "--context", "prod"}, "context prod was not allowed"},
		"no image": {[]string{"run", "executor-pod-kill", "--cluster", "existing", "--context", "lab", "--allow-context", "lab"},
			"--pod-image is missing"},
		"no node actions": {[]string{"plan", "driver-node-power-off", "--cluster", "existing"},
			"needs a cluster that can do power-off and power-on"},
		"bad node actions": {[]string{"plan", "driver-node-power-off", "--cluster", "existing", "--node-actions", file}, file + ":1:"},
	} {
		code, said := runCLI(t, tt.args...)
		if code != int(ExitUsage) || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %d, %q, want %d and %q", name, code, said, ExitUsage, tt.says)
		}
	}
}

func TestAPlanForAnExistingClusterByItsNodeActions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "actions.yaml")
	actions := `apiVersion: sparkchaos.dev/v1alpha1
kind: NodeActions
nodes: {command: [list]}
actions: {power-off: {command: [off, "{node}"]}, power-on: {command: [on, "{node}"]}}
`
	if err := os.WriteFile(file, []byte(actions), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := runCLI(t, "plan", "driver-node-power-off", "--cluster", "existing", "--node-actions", file); code != int(ExitPass) {
		t.Errorf("power-off: %d, %s", code, said)
	}
	if code, said := runCLI(t, "plan", "driver-node-isolated", "--cluster", "existing", "--node-actions", file); code != int(ExitUsage) ||
		!strings.Contains(said, "needs a cluster that can do isolate and rejoin") {
		t.Errorf("isolate: %d, %s", code, said)
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"lab\n": true, "lab": true, "yes\n": false, "": false, "labs\n": false} {
		var out strings.Builder
		if err := confirm(t.Context(), "lab", strings.NewReader(answer), &out); (err == nil) != want {
			t.Errorf("%q: %v, want it to continue: %v", answer, err, want)
		}
	}
}

func TestNobodyIsAskedWhereNobodyIs(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	radius := existing.BlastRadius{Context: "lab", Nodes: []existing.NodeRadius{{Name: "worker-1", Pods: []string{"shop/web"}}}}.String()
	var out strings.Builder
	say := func(line string) { out.WriteString(line) }
	if err := asker(false, say, null, &out)(t.Context(), "lab", radius); err == nil ||
		!strings.Contains(err.Error(), "--yes says that it may") {
		t.Errorf("without --yes: %v", err)
	}
	if err := asker(true, say, null, &out)(t.Context(), "lab", radius); err != nil || strings.Count(out.String(), "shop/web") != 2 {
		t.Errorf("with --yes: %v, shown %q", err, out.String())
	}
}

func TestGivenFlagsAreGivenAgain(t *testing.T) {
	t.Parallel()
	chosen := newClusterChoice()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	chosen.addKind(flags, "")
	flags.Int("repeat", 1, "")
	chosen.addFlags(flags, cluster.ToReach, cluster.ToRun)
	if err := flags.Parse([]string{"--cluster", "existing", "--context", "a", "--allow-context", "a", "--allow-context", "b", "--repeat", "3",
		"-y"}); err != nil {
		t.Fatal(err)
	}
	want := []string{"--allow-context=a", "--allow-context=b", "--cluster=existing", "--context=a"}
	if diff := cmp.Diff(want, given(flags)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The former names of the image of what runs in pods are still accepted.
func TestFormerNamesOfThePodImage(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"run":    {"run", "nothing", "--cluster", "existing", "--context", "c", "--allow-context", "c", "--staging-image", "i"},
		"render": {"render", "nothing", "--staging-image", "i"},
	} {
		_, out, said := cli(t, args...)
		if out != "" || !strings.Contains(said, `no shipped scenario "nothing"`) {
			t.Errorf("%s: %s%s", name, out, said)
		}
	}
	for _, target := range imageTargets() {
		if wanted := target.wanted([]string{"staging"}); wanted != (target.name == "pod") {
			t.Errorf("image build staging: %s is wanted: %v", target.name, wanted)
		}
	}
}

package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

func TestSplitShellArgs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args   []string
		dash   int
		node   string
		called []string
		fails  bool
	}{
		"nothing":            {nil, -1, "", nil, false},
		"a node":             {[]string{"worker-1"}, -1, "worker-1", nil, false},
		"a command":          {[]string{"kubectl", "get", "pods"}, 0, "", []string{"kubectl", "get", "pods"}, false},
		"a node, a command":  {[]string{"worker-1", "ip", "link"}, 1, "worker-1", []string{"ip", "link"}, false},
		"no dash":            {[]string{"worker-1", "ip"}, -1, "", nil, true},
		"two nodes":          {[]string{"worker-1", "worker-2", "ip"}, 2, "", nil, true},
		"nothing after it":   {[]string{"worker-1"}, 1, "", nil, true},
		"no name of a node":  {[]string{"../x"}, -1, "../x", nil, true},
		"a dash and nothing": {nil, 0, "", nil, true},
	} {
		node, called, err := splitShellArgs(tt.args, tt.dash)
		if (err != nil) != tt.fails || err != nil && codeOf(err) != ExitUsage {
			t.Errorf("%s: error %v, want one: %v", name, err, tt.fails)
		}
		if diff := cmp.Diff(strings.Join(tt.called, " "), strings.Join(called, " ")); diff != "" || node != tt.node {
			t.Errorf("%s: node %q, command (-want +got):\n%s", name, node, diff)
		}
	}
}

// enterable is a cluster whose nodes are this machine.
type enterable struct{ cluster.Own }

func (enterable) KubeconfigFile() string { return "/state/kubeconfig" }

func (enterable) Enter(_ context.Context, node string, _ bool, command ...string) ([]string, error) {
	return append([]string{"enter", node}, command...), nil
}

func TestShells(t *testing.T) {
	t.Parallel()
	environment := map[string]string{"SPARKCHAOS_CACHE": t.TempDir(), "PATH": "/bin", "SHELL": "/bin/zsh"}
	getenv := func(key string) string { return environment[key] }
	line, with, err := shellHere(getenv, enterable{}, nil)
	if diff := cmp.Diff([]string{"/bin/zsh"}, line); diff != "" || err != nil || !slices.Contains(with, "KUBECONFIG=/state/kubeconfig") {
		t.Errorf("%v, with KUBECONFIG: %v (-want +got):\n%s", err, slices.Contains(with, "KUBECONFIG=/state/kubeconfig"), diff)
	}
	if line, _, err = shellHere(getenv, enterable{}, []string{"kubectl", "get", "pods"}); err != nil || len(line) != 3 {
		t.Errorf("a command of this machine: %v, %v", line, err)
	}
	if line, _, err = shellThere(t.Context(), enterable{}, "worker-1", nil); err != nil || strings.Join(line, " ") != "enter worker-1 bash" {
		t.Errorf("on a node: %v, %v", line, err)
	}
}

// becoming makes this test's program become another one.
const becoming = "SPARKCHAOS_TEST_BECOME"

func TestBecome(t *testing.T) {
	if os.Getenv(becoming) != "" {
		t.Fatal(become([]string{"speak", "twice"}, append(os.Environ(), "PATH="+os.Getenv(becoming), "WORD=hello", "WORD=goodbye")))
	}
	directory := t.TempDir()
	script := "#!/bin/sh\necho \"$WORD $1\"\nexit 7\n"
	if err := os.WriteFile(filepath.Join(directory, "speak"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(executable, "-test.run=^TestBecome$")
	command.Env = append(os.Environ(), becoming+"="+directory)
	out, err := command.Output()
	if string(out) != "goodbye twice\n" || command.ProcessState.ExitCode() != 7 {
		t.Errorf("it said %q, %v; want that of the program, and its exit code 7", out, err)
	}
	if err := become([]string{"no-such-program"}, nil); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("a program that is not there: %v", err)
	}
}

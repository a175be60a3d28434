package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// commandsOf returns the paths of all commands of a tree that are shown, without the program's name, sorted.
func commandsOf(root *cobra.Command) []string {
	var all []string
	var visit func(*cobra.Command)
	visit = func(command *cobra.Command) {
		for _, child := range command.Commands() {
			if child.Hidden {
				continue
			}
			all = append(all, strings.TrimPrefix(child.CommandPath(), root.Name()+" "))
			visit(child)
		}
	}
	visit(root)
	slices.Sort(all)
	return all
}

// below reports whether a command is one of some, or belongs to one.
func below(command string, some []string) bool {
	return slices.ContainsFunc(some, func(one string) bool { return command == one || strings.HasPrefix(command, one+" ") })
}

func TestOtherSystemsHaveAllButClustersOfTheMachine(t *testing.T) {
	t.Parallel()
	whole := commandsOf(newRootOn(linux))
	for _, path := range onLinuxAlone() {
		if !slices.Contains(whole, path) {
			t.Errorf("Linux has no command %q", path)
		}
	}
	want := slices.DeleteFunc(slices.Clone(whole), func(command string) bool { return below(command, onLinuxAlone()) })
	offline := []string{"check", "cleanup", "cluster node power-off", "diff", "doctor", "explain", "gate", "lint", "list", "plan", "report",
		"run", "schema", "show", "tell", "version"}
	for _, system := range []string{"darwin", "windows"} {
		got := commandsOf(newRootOn(system))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the commands of %s (-want +got):\n%s", system, diff)
		}
		for _, command := range offline {
			if !slices.Contains(got, command) {
				t.Errorf("%s has no command %q", system, command)
			}
		}
	}
}

func TestACommandThatTheSystemLacksSaysWhereItWorks(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"setup"}, {"cluster", "up", "--workers", "2"}, {"components", "build", "runc"}, {"image", "--help"}, {"kind", "build-node-image"},
	} {
		code, out, said := run(t.Context(), newRootOn("darwin"), args...)
		if code != ExitUsage || out != "" || !strings.Contains(said, "on Linux only, and this is darwin") {
			t.Errorf("%v: exit code %d, %q, %q", args, code, out, said)
		}
	}
}

// Offline commands work on each system: none of them asks for a cluster of the machine.
func TestOfflineCommandsOnOtherSystems(t *testing.T) {
	t.Parallel()
	for _, system := range []string{"darwin", "windows"} {
		for _, args := range [][]string{
			{"lint", "../../scenarios/driver-node-power-off.yaml"}, {"list"}, {"explain", "driver-node-power-off"},
			{"plan", "executor-pod-kill", "--cluster", "existing"}, {"schema"}, {"version"}, {"completion", "bash"},
		} {
			if code, out, said := run(t.Context(), newRootOn(system), args...); code != ExitPass || out == "" && args[0] != "lint" {
				t.Errorf("%v on %s: exit code %d, %q, %q", args, system, code, out, said)
			}
		}
	}
}

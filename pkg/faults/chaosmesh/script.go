package chaosmesh

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/faults"
)

// scripts look at what a fault by Chaos Mesh does, in Chaos Mesh's daemon on the node. They are Bash, and no subcommands of the program
// that runs in pods, because the daemon is not always the harness's own: an installation that is there already is used as it is, and
// nothing is put into its pods. Of Chaos Mesh's own image and of the one that is built here, Bash is what both have.
//
//go:embed scripts
var scripts embed.FS

// inContainer returns a script as it looks at a container, by the ID that Kubernetes gives it. The settings are the script's variables.
func inContainer(container, name string, settings map[string]string) (string, error) {
	_, id, found := strings.Cut(container, "://")
	if !found || strings.Trim(id, "0123456789abcdef") != "" || id == "" {
		return "", fmt.Errorf("container ID %q is none that a container runtime gives", container)
	}
	lines := []string{"container=" + id}
	for variable, value := range settings {
		lines = append(lines, fmt.Sprintf("%s='%s'", variable, strings.ReplaceAll(value, "'", `'\''`)))
	}
	slices.Sort(lines)
	for _, part := range []string{"container.sh", name} {
		text, err := scripts.ReadFile("scripts/" + part)
		if err != nil {
			return "", err
		}
		lines = append(lines, string(text))
	}
	return strings.Join(lines, "\n"), nil
}

// lookInside runs a script in the daemon on the node of a target, for the first container of its pod, and returns what it printed.
func lookInside(ctx context.Context, env faults.Env, target chaosTarget, name string, settings map[string]string) (string, error) {
	if len(target.Pod.Running) == 0 {
		return "", fmt.Errorf("pod %s has no running container that could be looked at", target.Object.Name)
	}
	script, err := inContainer(target.Pod.Running[0], name, settings)
	if err != nil {
		return "", err
	}
	return env.Chaos.OnNode(ctx, target.Node, script)
}

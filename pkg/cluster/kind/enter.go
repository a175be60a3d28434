//go:build linux

package kind

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

var _ cluster.Enterable = (*Cluster)(nil)

// Enter implements cluster.Enterable by the container engine.
func (c *Cluster) Enter(ctx context.Context, node string, terminal bool, command ...string) ([]string, error) {
	containers, err := c.containers(ctx)
	if err != nil {
		return nil, err
	}
	return enter(c.provider.Engine, c.record.Name, containers, node, terminal, command)
}

func enter(engine Engine, name string, containers []container, node string, terminal bool, command []string) ([]string, error) {
	var names []string
	for _, c := range containers {
		names = append(names, c.name())
	}
	i := slices.Index(names, node)
	if i < 0 {
		return nil, fmt.Errorf("the kind cluster %s has no node %q: expected one of %s", name, node, strings.Join(names, ", "))
	}
	if !containers[i].State.Running || containers[i].State.Paused {
		return nil, fmt.Errorf("%s of the kind cluster %s does not run, so nothing can be called on it", node, name)
	}
	line := []string{string(engine), "exec", "--interactive"}
	if terminal {
		line = append(line, "--tty")
	}
	return append(append(line, node), command...), nil
}

// KubeconfigFile implements cluster.Enterable.
func (c *Cluster) KubeconfigFile() string {
	return directoryOf(c.provider.State, c.record.Name).kubeconfig()
}

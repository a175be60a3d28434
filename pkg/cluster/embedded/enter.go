//go:build linux

package embedded

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

var _ cluster.Enterable = (*Cluster)(nil)

// Enter implements cluster.Enterable: the command joins the namespaces of the machine, and ends with it.
func (c *Cluster) Enter(_ context.Context, node string, _ bool, command ...string) ([]string, error) {
	names := append([]string{controlPlane}, c.directory.machineNames()...)
	if !slices.Contains(names, node) {
		return nil, fmt.Errorf("cluster %s has no node %q: expected one of %s", c.record.Name, node, strings.Join(names, ", "))
	}
	m, err := c.directory.loadMachine(node)
	if err != nil {
		return nil, err
	}
	if !m.Process.Alive() {
		return nil, fmt.Errorf("%s of cluster %s is off, so nothing runs on it: `sparkchaos cluster node power-on %s --name %s` boots it; "+
			"its disk is %s", node, c.record.Name, node, c.record.Name, m.Spec.Disk)
	}
	return append([]string{
		"nsenter", "--target=" + strconv.Itoa(m.Process.PID), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--",
	}, command...), nil
}

// KubeconfigFile implements cluster.Enterable.
func (c *Cluster) KubeconfigFile() string { return c.directory.kubeconfig() }

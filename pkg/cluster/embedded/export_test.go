//go:build linux

package embedded

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
	"github.com/sparkchaos/sparkchaos/pkg/cluster/embedded/network"
)

// HalfPowerOff takes the steps of a power-off up to one at which the harness may be killed: the link is down, and with kill no process
// of the node lives any more.
func (c *Cluster) HalfPowerOff(ctx context.Context, node string, kill bool) error {
	w, err := c.worker(node)
	if err != nil {
		return err
	}
	err = network.Cut(w.control, w.record.Number)
	if kill {
		err = errors.Join(err, c.cgroups.Kill(ctx, w.record.Spec.Cgroup), w.awaitEnd(ctx, &cluster.Evidence{}))
	}
	return err
}

// BridgeAddress returns the hardware address by which the nodes know the control plane.
func (c *Cluster) BridgeAddress(ctx context.Context) (string, error) {
	control, err := c.controlPID()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(control), "--net", "ip", "-brief", "link", "show",
		network.Bridge).Output()
	if fields := strings.Fields(string(out)); err == nil && len(fields) > 2 {
		return fields[2], nil
	}
	return "", fmt.Errorf("look at the bridge: %w: %q", err, out)
}

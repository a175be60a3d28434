//go:build linux

package kind

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sparkchaos/sparkchaos/pkg/cluster"
)

// podSubnet is kind's default.
const podSubnet = "10.244.0.0/16"

// route gives pods a network where the node image brings none: each node has a range of addresses, and all others a
// route to it. It can be called again at any time, and has to be after a node was started.
func (c *Cluster) route(ctx context.Context) error {
	if !c.record.OwnNetwork {
		return nil
	}
	ranges, err := c.podRanges(ctx)
	if err != nil {
		return err
	}
	nodes, err := c.containers(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if !node.State.Running || node.State.Paused {
			continue
		}
		if _, err := c.provider.Engine.run(ctx, "exec", node.name(), "sh", "-ec", routingScript(node, nodes, ranges)); err != nil {
			return fmt.Errorf("make the network of node %s: %w", node.name(), err)
		}
	}
	return nil
}

// podRanges waits until each node has a range of addresses for its pods and returns them by node.
func (c *Cluster) podRanges(ctx context.Context) (map[string]string, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not each node has a range of addresses within %v", readyTimeout))
	defer cancel()
	ranges := map[string]string{}
	err = cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, node := range nodes.Items {
			if node.Spec.PodCIDR != "" {
				ranges[node.Name] = node.Spec.PodCIDR
			}
		}
		return len(ranges) == c.record.Workers+1, fmt.Sprint(ranges)
	})
	return ranges, err
}

// routingScript makes one node's share: how its pods get addresses, the way to those of others, and the disguise of
// what leaves the cluster, since nobody out there knows a way back to a pod.
func routingScript(own container, nodes []container, ranges map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `mkdir -p /etc/cni/net.d
cat > /etc/cni/net.d/10-sparkchaos.conflist.new <<'END'
{"cniVersion": "0.4.0", "name": "sparkchaos", "plugins": [
  {"type": "ptp", "ipMasq": false, "mtu": 1500, `+
		`"ipam": {"type": "host-local", "dataDir": "/run/cni-ipam-state", "routes": [{"dst": "0.0.0.0/0"}], `+
		`"ranges": [[{"subnet": "%s"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
mv /etc/cni/net.d/10-sparkchaos.conflist.new /etc/cni/net.d/10-sparkchaos.conflist
`, ranges[own.name()])
	for _, node := range nodes {
		// One without an address is off; its range leads nowhere until it is started.
		if node.name() != own.name() && node.address() != "" {
			fmt.Fprintf(&b, "ip route replace %s via %s\n", ranges[node.name()], node.address())
		}
	}
	fmt.Fprintf(&b, `iptables -w -t nat -C POSTROUTING -s %[1]s ! -d %[1]s -j MASQUERADE 2>/dev/null ||
iptables -w -t nat -A POSTROUTING -s %[1]s ! -d %[1]s -j MASQUERADE
`, podSubnet)
	return b.String()
}

//go:build linux

package network

import (
	"net/netip"
	"testing"
)

func TestAddressesDoNotMeet(t *testing.T) {
	t.Parallel()
	nodes, pods, services := netip.MustParsePrefix(NodeCIDR), netip.MustParsePrefix(PodCIDR), netip.MustParsePrefix(ServiceCIDR)
	seen := map[string]int{ControlIP: 0}
	for i := 1; i <= MaxWorkers; i++ {
		if other, taken := seen[NodeIP(i)]; taken {
			t.Errorf("workers %d and %d share %s", other, i, NodeIP(i))
		}
		seen[NodeIP(i)] = i
		if ip := netip.MustParseAddr(NodeIP(i)); !nodes.Contains(ip) {
			t.Errorf("worker %d has %s outside of %s", i, ip, nodes)
		}
		if own := netip.MustParsePrefix(NodePodCIDR(i)); !pods.Contains(own.Addr()) || own.Overlaps(services) || own.Overlaps(nodes) {
			t.Errorf("the pods of worker %d have %s", i, own)
		}
		if len(Cable(i)) > 15 { // IFNAMSIZ without its end
			t.Errorf("the cable of worker %d has a name that is too long: %s", i, Cable(i))
		}
	}
	for _, ip := range []string{APIServerIP, DNSIP} {
		if !services.Contains(netip.MustParseAddr(ip)) {
			t.Errorf("%s is no address of a Service", ip)
		}
	}
}

func TestAGoneMachineIsAnError(t *testing.T) {
	t.Parallel()
	const nobody = 1 << 30
	if err := SetUpControlPlane(nobody, Plan{}); err == nil {
		t.Error("set up the network of a process that does not exist")
	}
	if _, err := Link(nobody, 1); err == nil {
		t.Error("saw the link of a process that does not exist")
	}
	if _, err := Listen(nobody, "127.0.0.1:0"); err == nil {
		t.Error("listened in the network of a process that does not exist")
	}
}

//go:build linux

// Package network connects machines. All of it lives in network namespaces of the machines: the bridge is in the
// control plane's, each node hangs on it by a cable (a veth pair), and the host itself gets no link, route or rule.
package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Plan is who has which address. The same addresses serve every cluster: they never meet.
type Plan struct {
	Workers int
}

// The fixed points of a cluster's network.
const (
	Bridge      = "br0"
	ControlIP   = "172.30.0.1"
	NodeCIDR    = "172.30.0.0/24"
	PodCIDR     = "10.244.0.0/16"
	ServiceCIDR = "10.96.0.0/16"
	APIServerIP = "10.96.0.1"
	DNSIP       = "10.96.0.10"
	// MaxWorkers is how many nodes the address plan has room for.
	MaxWorkers = 200
)

// NodeIP is the address of the worker with the number i, counted from 1.
func NodeIP(i int) string { return fmt.Sprintf("172.30.0.%d", 10+i) }

// NodePodCIDR is the range from which that worker's pods get their addresses.
func NodePodCIDR(i int) string { return fmt.Sprintf("10.244.%d.0/24", i) }

// Cable is the name of the worker's end in the control plane's namespace.
func Cable(i int) string { return fmt.Sprintf("node%d", i) }

// inside returns a handle for the network namespace of a process.
func inside(pid int) (*netlink.Handle, func(), error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, nil, fmt.Errorf("open the network namespace of process %d: %w", pid, err)
	}
	handle, err := netlink.NewHandleAt(ns)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("enter the network namespace of process %d: %w", pid, err), ns.Close())
	}
	return handle, func() { handle.Close(); _ = ns.Close() }, nil
}

// SetUpControlPlane makes the bridge in the namespace of the control plane's init and the routes to the workers' pods.
func SetUpControlPlane(pid int, plan Plan) error {
	handle, done, err := inside(pid)
	if err != nil {
		return err
	}
	defer done()
	if err := up(handle, "lo"); err != nil {
		return err
	}
	// With an address of its own: else it has the lowest one of its cables, and when that cable goes with its node every other node
	// looks for the API server in vain until its ARP entry expires, seconds later.
	if err := handle.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: Bridge, HardwareAddr: bridgeAddress()}}); err != nil {
		return fmt.Errorf("add the bridge %s: %w", Bridge, err)
	}
	if err := address(handle, Bridge, ControlIP+"/24"); err != nil {
		return err
	}
	if err := up(handle, Bridge); err != nil {
		return err
	}
	return routePods(handle, plan, 0)
}

// bridgeAddress is a locally administered address; the bridge is alone in its network namespace with it.
func bridgeAddress() net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, 1} }

// Connect plugs worker i, whose init is nodePID, into the bridge of the control plane, whose init is controlPID.
func Connect(controlPID, nodePID, i int, plan Plan) error {
	if err := addCable(controlPID, nodePID, i); err != nil {
		return err
	}
	node, done, err := inside(nodePID)
	if err != nil {
		return err
	}
	defer done()
	if err := up(node, "lo"); err != nil {
		return err
	}
	if err := address(node, "eth0", NodeIP(i)+"/24"); err != nil {
		return err
	}
	if err := up(node, "eth0"); err != nil {
		return err
	}
	// Without a default route a packet to a Service's address would be refused before kube-proxy's rules see it.
	if err := node.RouteAdd(&netlink.Route{Gw: net.ParseIP(ControlIP)}); err != nil {
		return fmt.Errorf("add the default route of worker %d: %w", i, err)
	}
	return routePods(node, plan, i)
}

func addCable(controlPID, nodePID, i int) error {
	control, done, err := inside(controlPID)
	if err != nil {
		return err
	}
	defer done()
	bridge, err := control.LinkByName(Bridge)
	if err != nil {
		return fmt.Errorf("find the bridge %s: %w", Bridge, err)
	}
	cable := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: Cable(i), MasterIndex: bridge.Attrs().Index},
		PeerName:      "eth0",
		PeerNamespace: netlink.NsPid(nodePID),
	}
	if err := control.LinkAdd(cable); err != nil {
		return fmt.Errorf("plug worker %d in: %w", i, err)
	}
	return up(control, Cable(i))
}

// routePods adds the routes to the pods of every worker but the one that has the namespace (0: none of them).
func routePods(handle *netlink.Handle, plan Plan, own int) error {
	for i := 1; i <= plan.Workers; i++ {
		if i == own {
			continue
		}
		prefix := netip.MustParsePrefix(NodePodCIDR(i))
		destination := &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), 32)}
		if err := handle.RouteAdd(&netlink.Route{Dst: destination, Gw: net.ParseIP(NodeIP(i))}); err != nil {
			return fmt.Errorf("add the route to the pods of worker %d: %w", i, err)
		}
	}
	return nil
}

func up(handle *netlink.Handle, name string) error {
	link, err := handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find the link %s: %w", name, err)
	}
	if err := handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("set the link %s up: %w", name, err)
	}
	return nil
}

func address(handle *netlink.Handle, name, cidr string) error {
	link, err := handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find the link %s: %w", name, err)
	}
	parsed, err := netlink.ParseAddr(cidr)
	if err != nil {
		return fmt.Errorf("address %s: %w", cidr, err)
	}
	if err := handle.AddrAdd(link, parsed); err != nil {
		return fmt.Errorf("give %s to %s: %w", cidr, name, err)
	}
	return nil
}

// Unplug removes the cable of worker i: from now on nothing that it sends arrives. Without a cable it does nothing.
func Unplug(controlPID, i int) error {
	control, done, err := inside(controlPID)
	if err != nil {
		return err
	}
	defer done()
	link, err := control.LinkByName(Cable(i))
	if IsUnplugged(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the cable of worker %d: %w", i, err)
	}
	if err := control.LinkDel(link); err != nil {
		return fmt.Errorf("unplug worker %d: %w", i, err)
	}
	return nil
}

// IsUnplugged reports whether an error says that a worker has no cable.
func IsUnplugged(err error) bool { return errors.As(err, &netlink.LinkNotFoundError{}) }

// Cut takes the link of worker i down; Mend takes it up again, with the addresses that it had.
func Cut(controlPID, i int) error { return setLink(controlPID, i, (*netlink.Handle).LinkSetDown) }

// Mend takes the link of worker i up.
func Mend(controlPID, i int) error { return setLink(controlPID, i, (*netlink.Handle).LinkSetUp) }

func setLink(controlPID, i int, set func(*netlink.Handle, netlink.Link) error) error {
	control, done, err := inside(controlPID)
	if err != nil {
		return err
	}
	defer done()
	link, err := control.LinkByName(Cable(i))
	if err != nil {
		return fmt.Errorf("find the cable of worker %d: %w", i, err)
	}
	if err := set(control, link); err != nil {
		return fmt.Errorf("switch the link of worker %d: %w", i, err)
	}
	return nil
}

// LinkState is what can be seen of a worker's cable at the bridge.
type LinkState string

// The states of a cable.
const (
	Connected LinkState = "up"
	Down      LinkState = "down"
	Absent    LinkState = "absent"
)

// Link looks at the cable of worker i from the control plane's side.
func Link(controlPID, i int) (LinkState, error) {
	control, done, err := inside(controlPID)
	if err != nil {
		return Absent, err
	}
	defer done()
	link, err := control.LinkByName(Cable(i))
	if IsUnplugged(err) {
		return Absent, nil
	}
	if err != nil {
		return Absent, fmt.Errorf("find the cable of worker %d: %w", i, err)
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		return Down, nil
	}
	return Connected, nil
}

// Carrier reports whether the node itself has a link, looked at in its own namespace.
func Carrier(nodePID int) (bool, error) {
	node, done, err := inside(nodePID)
	if err != nil {
		return false, err
	}
	defer done()
	link, err := node.LinkByName("eth0")
	if err != nil {
		return false, fmt.Errorf("find eth0 of the node: %w", err)
	}
	return link.Attrs().OperState == netlink.OperUp, nil
}

// Listen opens a TCP socket of this process inside the network namespace of a machine's init.
func Listen(pid int, address string) (net.Listener, error) {
	type result struct {
		listener net.Listener
		err      error
	}
	results := make(chan result, 1)
	go func() {
		// The thread is never unlocked: it ends with this goroutine, so no other code can run in the wrong namespace.
		runtime.LockOSThread()
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			results <- result{err: err}
			return
		}
		err = netns.Set(netns.NsHandle(ns.Fd()))
		_ = ns.Close() // opened for reading only
		if err != nil {
			results <- result{err: err}
			return
		}
		listener, err := net.Listen("tcp", address)
		results <- result{listener: listener, err: err}
	}()
	r := <-results
	if r.err != nil {
		return nil, fmt.Errorf("listen at %s inside the cluster's network: %w", address, r.err)
	}
	return r.listener, nil
}

//go:build linux

package kind

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// linkName is a node's link to the network that kind makes, as it is called inside the node.
const linkName = "eth0"

// inNetwork calls a function with a handle for the network namespace of a process.
func inNetwork(pid int, do func(*netlink.Handle) error) error {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return fmt.Errorf("network namespace of process %d: %w", pid, err)
	}
	defer func() { _ = ns.Close() }() // only read
	handle, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("network namespace of process %d: %w", pid, err)
	}
	defer handle.Close()
	return do(handle)
}

// linkUp reports whether the node's link is up; one that is not there is down.
func linkUp(pid int) (bool, error) {
	var up bool
	err := inNetwork(pid, func(handle *netlink.Handle) error {
		link, err := handle.LinkByName(linkName)
		if err == nil {
			up = link.Attrs().Flags&net.FlagUp != 0
		}
		return err
	})
	var absent netlink.LinkNotFoundError
	if errors.As(err, &absent) {
		return false, nil
	}
	return up, err
}

// route is one that the kernel forgets when the link goes down.
type route struct {
	Destination string `json:"destination,omitempty"` // empty: the default
	Gateway     string `json:"gateway"`
}

// routesByLink returns the routes over the node's link that were made by someone, not by the kernel.
func routesByLink(pid int) ([]route, error) {
	var all []route
	err := inNetwork(pid, func(handle *netlink.Handle) error {
		link, err := handle.LinkByName(linkName)
		if err != nil {
			return err
		}
		routes, err := handle.RouteList(link, netlink.FAMILY_V4)
		for _, r := range routes {
			if r.Gw == nil {
				continue
			}
			one := route{Gateway: r.Gw.String()}
			if r.Dst != nil && !r.Dst.IP.IsUnspecified() {
				one.Destination = r.Dst.String()
			}
			all = append(all, one)
		}
		return err
	})
	return all, err
}

// cut takes the node's link down; its address stays.
func cut(pid int) error {
	return inNetwork(pid, func(handle *netlink.Handle) error {
		link, err := handle.LinkByName(linkName)
		if err != nil {
			return err
		}
		return handle.LinkSetDown(link)
	})
}

// restoreLink takes the link up again, with the routes that it had.
func restoreLink(pid int, routes []route) error {
	return inNetwork(pid, func(handle *netlink.Handle) error {
		link, err := handle.LinkByName(linkName)
		if err != nil {
			return err
		}
		if err := handle.LinkSetUp(link); err != nil {
			return err
		}
		var errs []error
		for _, r := range routes {
			errs = append(errs, addRoute(handle, link, r))
		}
		return errors.Join(errs...)
	})
}

func addRoute(handle *netlink.Handle, link netlink.Link, r route) error {
	made := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(r.Gateway)}
	if r.Destination != "" {
		_, destination, err := net.ParseCIDR(r.Destination)
		if err != nil {
			return fmt.Errorf("route to %q: %w", r.Destination, err)
		}
		made.Dst = destination
	}
	if err := handle.RouteReplace(made); err != nil {
		return fmt.Errorf("route to %q over %s: %w", r.Destination, r.Gateway, err)
	}
	return nil
}

package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// PathMTU is what packets between two addresses may have by the configuration of
// the network namespace that the calling thread is in: the route's MTU where it
// has one, else its interface's. What the kernel learnt from ICMP is left out:
// anybody can have made it learn that (RFC 4301 §8.2.1), and it is forgotten again.
func PathMTU(local, remote netip.Addr) (int, error) {
	o := &netlink.RouteGetOptions{FIBMatch: true, Mark: OutsideMark}
	if local.IsValid() && !local.IsUnspecified() {
		o.SrcAddr = local.Unmap().AsSlice()
	}
	routes, err := netlink.RouteGetWithOptions(remote.Unmap().AsSlice(), o)
	if err == nil && len(routes) == 0 {
		err = errors.New("there is no route")
	}
	if err != nil {
		return 0, fmt.Errorf("kernel: the way to %v: %w", remote, err)
	}
	if routes[0].MTU > 0 {
		return routes[0].MTU, nil
	}
	links := []int{routes[0].LinkIndex}
	if hops := routes[0].MultiPath; len(hops) > 0 {
		links = links[:0]
		for _, hop := range hops {
			links = append(links, hop.LinkIndex)
		}
	}
	smallest := 0
	for _, index := range links {
		link, err := netlink.LinkByIndex(index)
		if err != nil {
			return 0, fmt.Errorf("kernel: the way to %v: %w", remote, err)
		}
		if mtu := link.Attrs().MTU; smallest == 0 || mtu < smallest {
			smallest = mtu
		}
	}
	return smallest, nil
}

package kernel

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// exceptions are host routes for the peers whose outer address lies inside one
// of the desired routes and would be reached through the tunnel itself. host
// are the other routes of the host. Where no way outside can be found, the
// routes that cover the peer are taken out of d and the error says so.
func (k *Kernel) exceptions(host []installed, link netlink.Link, d *Desired) (want []installed, errs []error) {
	var covered bart.Lite
	for _, r := range d.Routes {
		covered.Insert(r.Prefix)
	}
	seen := make(map[netip.Addr]bool, len(d.Peers))
	for _, peer := range d.Peers {
		peer = peer.Unmap().WithZone("")
		if seen[peer] || !covered.Contains(peer) {
			continue
		}
		seen[peer] = true
		best := wayOutside(host, link, peer)
		wins := func(r Route) bool {
			return covers(peer)(r) && (best == nil || r.Prefix.Bits() >= best.prefix.Bits())
		}
		if !slices.ContainsFunc(d.Routes, wins) {
			continue // the host's own route is the more specific one
		}
		only := netip.PrefixFrom(peer, peer.BitLen())
		same := func(r Route) bool { return r.Prefix == only }
		if best == nil || slices.ContainsFunc(d.Routes, same) {
			errs = append(errs, fmt.Errorf("kernel: no route to %v through interface %s: it would lead the tunnel's own packets to peer %v into the tunnel, and the host has no other way to that address that could be kept",
				prefixes(d.Routes, wins), d.Interface, peer))
			d.Routes = slices.DeleteFunc(slices.Clone(d.Routes), wins)
			continue
		}
		want = append(want, k.exception(only, best, d))
	}
	return want, errs
}

// covers says whether a route leads to the address.
func covers(peer netip.Addr) func(Route) bool {
	return func(r Route) bool { return r.Prefix.Contains(peer) }
}

func prefixes(routes []Route, which func(Route) bool) (found []netip.Prefix) {
	for _, r := range routes {
		if which(r) {
			found = append(found, r.Prefix)
		}
	}
	return found
}

// wayOutside is the host's best route to the peer.
func wayOutside(host []installed, link netlink.Link, peer netip.Addr) (best *installed) {
	for i := range host {
		r := &host[i]
		if r.route.LinkIndex == link.Attrs().Index ||
			r.route.Type != unix.RTN_UNICAST || !r.prefix.Contains(peer) {
			continue
		}
		if best == nil || r.prefix.Bits() > best.prefix.Bits() ||
			r.prefix.Bits() == best.prefix.Bits() && r.metric < best.metric {
			best = r
		}
	}
	return best
}

// exception is the host route that takes the way of another route.
func (k *Kernel) exception(host netip.Prefix, way *installed, d *Desired) installed {
	id := keyOf(host, 0, d.Table)
	route := k.toPrefix(id)
	route.LinkIndex, route.Gw, route.Via, route.MultiPath = way.route.LinkIndex, way.route.Gw, way.route.Via, way.route.MultiPath
	route.Src, route.Scope = way.route.Src, way.route.Scope
	route.Flags = way.route.Flags & int(netlink.FLAG_ONLINK)
	return installed{id, route, fmt.Sprintf("keep the way to peer %v outside interface %s", host.Addr(), d.Interface)}
}

package kernel

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// exceptions are host routes for the peers whose outer address lies inside one
// of the desired routes and would be reached through the tunnel itself. Where
// no way outside can be found, the routes that cover the peer are taken out of
// d and the error says so.
func (k *Kernel) exceptions(link netlink.Link, d *Desired) (want []installed, errs []error) {
	var all []installed
	for i, peer := range d.Peers {
		peer = peer.Unmap().WithZone("")
		if slices.Contains(d.Peers[:i], peer) || !slices.ContainsFunc(d.Routes, covers(peer)) {
			continue
		}
		if all == nil {
			var err error
			if all, err = k.mainTable(); err != nil {
				return nil, append(errs, err)
			}
		}
		best := k.wayOutside(all, link, peer)
		wins := func(r Route) bool {
			return covers(peer)(r) && (best == nil || r.Prefix.Bits() >= best.prefix.Bits())
		}
		if !slices.ContainsFunc(d.Routes, wins) {
			continue // the host's own route is the more specific one
		}
		host := netip.PrefixFrom(peer, peer.BitLen())
		same := func(r Route) bool { return r.Prefix == host }
		if best == nil || slices.ContainsFunc(d.Routes, same) {
			errs = append(errs, fmt.Errorf("kernel: no route to %v through interface %s: it would lead the tunnel's own packets to peer %v into the tunnel, and the host has no other way to that address that could be kept",
				prefixes(d.Routes, wins), d.Interface, peer))
			d.Routes = slices.DeleteFunc(slices.Clone(d.Routes), wins)
			continue
		}
		want = append(want, k.exception(host, best))
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

// wayOutside is the host's best route to the peer but for ours.
func (k *Kernel) wayOutside(all []installed, link netlink.Link, peer netip.Addr) (best *installed) {
	for i := range all {
		r := &all[i]
		if r.route.Protocol == k.protocol || r.route.LinkIndex == link.Attrs().Index ||
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
func (k *Kernel) exception(host netip.Prefix, way *installed) installed {
	id := keyOf(host, 0)
	return installed{id, netlink.Route{
		Dst:       netipx.PrefixIPNet(host),
		LinkIndex: way.route.LinkIndex,
		Gw:        way.route.Gw,
		Via:       way.route.Via,
		MultiPath: way.route.MultiPath,
		Src:       way.route.Src,
		Scope:     way.route.Scope,
		Flags:     way.route.Flags & int(netlink.FLAG_ONLINK),
		Protocol:  k.protocol,
		Table:     unix.RT_TABLE_MAIN,
		Type:      unix.RTN_UNICAST,
		Priority:  id.metric,
	}}
}

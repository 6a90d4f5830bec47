package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A peer's outer address may lie inside a remote network: 0.0.0.0/0 contains all. Then
// our own packets to it, ESP and IKE, would come by the route into the tunnel that they
// are of. They have a table of their own, with a host route by the present way outside
// for each such peer, one for the remote network around it, since who moves (RFC 4555)
// or is not known yet is answered at once, and rules that lead them there, and nothing
// else, just before the first rule that looks where the routes are:
//
//	32765  ESP                                              nothing: go on
//	32765  of this host: by mark, as ESP, from our ports    table 30256 + protocol number
//	32766  everything                                       the main table, with the routes
//
// The first is for rp_filter: unless a rule names a protocol for more than what this
// host sends, the kernel does not tell protocol and ports when it looks up the way back.
// What others send to the same address goes into the tunnel. Were the host routes where
// all packets find them, it would leave in the clear, and whoever forges the answer of
// DNS that names the peer would choose which address that is (TunnelCrack,
// CVE-2023-36671 and 36673). Rules of the user's that come before those of the routes
// hold for our own packets, too.
const outsideTables = hostTables + 256

// outsideTable is the table of ways to peers outside.
func (k *Kernel) outsideTable() int { return outsideTables + int(k.protocol) }

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
		best := wayOutside(host, link, netip.PrefixFrom(peer, peer.BitLen()))
		wins := func(r Route) bool {
			return covers(peer)(r) && (best == nil || r.Prefix.Bits() >= best.prefix.Bits())
		}
		if !slices.ContainsFunc(d.Routes, wins) {
			continue // the host's own route is the more specific one
		}
		if best == nil {
			errs = append(errs, fmt.Errorf("kernel: no route to %v through interface %s: it would lead the tunnel's own packets to peer %v into the tunnel, and the host has no other way to that address that could be kept",
				prefixes(d.Routes, wins), d.Interface, peer))
			d.Routes = slices.DeleteFunc(slices.Clone(d.Routes), wins)
			continue
		}
		want = append(want, k.exception(netip.PrefixFrom(peer, peer.BitLen()), best, d))
	}
	return want, errs
}

// outsideRules lead our own packets to the ways to peers outside, before the first of
// the others' rules that looks where the routes are.
func (k *Kernel) outsideRules(d *Desired, outside []installed, others []netlink.Rule) (out []policyRule) {
	families := map[int]bool{}
	for _, w := range outside {
		if family := familyOf(w.prefix.Addr()); !families[family] {
			families[family] = true
			priority := max(firstInto(d, family, others)-1, 1)
			if family == netlink.FAMILY_V4 { // the kernel filters nothing else by reverse paths
				out = append(out, policyRule{priority: priority, family: family, protocol: unix.IPPROTO_ESP})
			}
			out = append(out, d.Own.rules(policyRule{priority: priority, family: family, local: true, table: k.outsideTable()})...)
		}
	}
	return out
}

// firstInto is the priority of the first rule that looks where the routes are.
func firstInto(d *Desired, family int, others []netlink.Rule) int {
	first := rulePriority
	if len(d.Rules) == 0 {
		first = mainPriority
	}
	for _, r := range others {
		if r.Family == family && r.Table == d.Table && r.Priority > 0 {
			first = min(first, r.Priority)
		}
	}
	return first
}

// rules make one for all our own packets into one for each kind of them.
func (o Own) rules(all policyRule) []policyRule {
	marked, sealed := all, all
	marked.mark, sealed.protocol = OutsideMark, unix.IPPROTO_ESP
	out := []policyRule{marked, sealed}
	for _, port := range o.Ports {
		ike := all
		ike.protocol, ike.port = unix.IPPROTO_UDP, port
		out = append(out, ike)
	}
	return out
}

// withhold takes the routes out of d that would lead our own packets into the tunnel:
// the kernel did not take the ways to peers outside, or the rules that lead there.
func (d *Desired) withhold(outside, failed []installed, unruled map[int]bool) error {
	var errs []error
	for _, way := range outside {
		peer := way.prefix.Addr()
		lost := unruled[familyOf(peer)] || slices.ContainsFunc(failed, func(f installed) bool { return f.key == way.key })
		if withheld := prefixes(d.Routes, covers(peer)); lost && len(withheld) > 0 {
			errs = append(errs, fmt.Errorf("kernel: no route to %v through interface %s: it would lead the tunnel's own packets to peer %v into the tunnel", withheld, d.Interface, peer))
			d.Routes = slices.DeleteFunc(slices.Clone(d.Routes), covers(peer))
		}
	}
	return errors.Join(errs...)
}

// mostThrown bounds the routes of the host that are left out of one remote network: not
// those of a full table of the Internet.
const mostThrown = 4096

// waysAround are the ways outside for our own packets to whatever else is in the remote
// networks that contain peers, and in the halves of everything: those that the packets
// would take if there were no tunnel. Where the host has routes inside of such a
// network, the table of all decides; in those that are crowded it has too many.
func (k *Kernel) waysAround(host []installed, link netlink.Link, d *Desired, peers []installed) (want []installed, crowded []netip.Prefix) {
	for _, r := range d.Routes {
		holds := func(p installed) bool {
			return r.Prefix.Contains(p.prefix.Addr()) || r.Prefix.Bits() == 1 && familyOf(p.prefix.Addr()) == familyOf(r.Prefix.Addr())
		}
		if r.Via.Interface != "" || r.Prefix.IsSingleIP() || !slices.ContainsFunc(peers, holds) {
			continue
		}
		way := wayOutside(host, link, r.Prefix)
		if way == nil {
			continue
		}
		thrown := k.within(host, link, r.Prefix, peers)
		if len(thrown) > mostThrown {
			crowded = append(crowded, r.Prefix)
			continue
		}
		want = append(append(want, k.exception(r.Prefix, way, d)), thrown...)
	}
	// What is left out of one network may be another one: its way counts.
	slices.SortFunc(want, func(a, b installed) int {
		return cmp.Or(a.prefix.Compare(b.prefix), a.route.Type-b.route.Type) // RTN_UNICAST is before RTN_THROW
	})
	return slices.CompactFunc(want, func(a, b installed) bool { return a.key == b.key }), crowded
}

// Crowded are the remote networks, as of the last Set, inside of which the host has so
// many routes that only listed peers are answered outside.
func (k *Kernel) Crowded() []netip.Prefix {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.crowded
}

// linkLocal is on every link: the table of all knows where.
var linkLocal = netip.MustParsePrefix("fe80::/10")

// within are routes that leave to the table of all what it has inside of a network, but
// for the peers.
func (k *Kernel) within(host []installed, link netlink.Link, network netip.Prefix, peers []installed) (out []installed) {
	if contains(network, linkLocal) {
		out = append(out, k.throw(linkLocal, k.outsideTable()))
	}
	for _, h := range host {
		peer := func(p installed) bool { return p.prefix == h.prefix }
		if h.route.LinkIndex == link.Attrs().Index || h.prefix == network || !contains(network, h.prefix) ||
			contains(linkLocal, h.prefix) || slices.ContainsFunc(peers, peer) {
			continue
		}
		out = append(out, k.throw(h.prefix, k.outsideTable()))
		if len(out) > mostThrown {
			break
		}
	}
	return out
}

// throw leaves what goes to a network to the rules that follow.
func (k *Kernel) throw(p netip.Prefix, table int) installed {
	id := keyOf(p, 0, table)
	route := k.toPrefix(id)
	route.Type = unix.RTN_THROW
	return installed{id, route, fmt.Sprintf("leave the way to %v to the main table", p)}
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

// wayOutside is the host's best route to the whole of a network.
func wayOutside(host []installed, link netlink.Link, to netip.Prefix) (best *installed) {
	for i := range host {
		r := &host[i]
		if r.route.LinkIndex == link.Attrs().Index ||
			r.route.Type != unix.RTN_UNICAST || !contains(r.prefix, to) {
			continue
		}
		if best == nil || r.prefix.Bits() > best.prefix.Bits() ||
			r.prefix.Bits() == best.prefix.Bits() && r.metric < best.metric {
			best = r
		}
	}
	return best
}

// exception is the route for our own packets that takes the way of another route.
func (k *Kernel) exception(to netip.Prefix, way *installed, d *Desired) installed {
	id := keyOf(to, 0, k.outsideTable())
	route := k.toPrefix(id)
	route.LinkIndex, route.Gw, route.Via, route.MultiPath = way.route.LinkIndex, way.route.Gw, way.route.Via, way.route.MultiPath
	route.Src, route.Scope = way.route.Src, way.route.Scope
	route.Flags = way.route.Flags & int(netlink.FLAG_ONLINK)
	if !to.IsSingleIP() {
		return installed{id, route, fmt.Sprintf("keep the way of the tunnel's own packets to %v outside interface %s", to, d.Interface)}
	}
	return installed{id, route, fmt.Sprintf("keep the way to peer %v outside interface %s", to.Addr(), d.Interface)}
}

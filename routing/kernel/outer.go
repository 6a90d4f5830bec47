package kernel

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Networks that an outer interface is in have routes of their own, and so may others
// have behind it: the network outside decides on them, by DHCP or router advertisements.
// Where a remote network contains one, its route is the longer one and would take what
// clients send there past the tunnel, in the clear (TunnelCrack, CVE-2023-36672 and
// 35838). A table of its own leads what is forwarded to these networks into the tunnel:
//
//	32765  by the interface       jump to 32766
//	32765  not of this host       table 30512 + protocol number
//	32766  everything             the main table
//
// What this host itself sends there goes past the tunnel, as it must: to the servers of
// DHCP and DNS of that network. So does everything where the configuration names the
// network, as one of this site (LocalNetworks) or outside (Outside). Routes that the
// administrator or a routing daemon made are meant.
const insideTables = outsideTables + 256

// insideTable is the table of networks of outer interfaces.
func (k *Kernel) insideTable() int { return insideTables + int(k.protocol) }

// givenByNetwork are who makes routes as the network outside tells.
var givenByNetwork = []netlink.RouteProtocol{unix.RTPROT_KERNEL, unix.RTPROT_REDIRECT, unix.RTPROT_RA, unix.RTPROT_DHCP}

// outerNetworks are the routes for what is forwarded to networks of outer interfaces.
func (k *Kernel) outerNetworks(host []installed, link netlink.Link, d *Desired) (want []installed) {
	if d.Table != unix.RT_TABLE_MAIN {
		return nil // the host's own routes come after these, if at all
	}
	var outer map[int]bool
	given := map[netip.Prefix]bool{}
	for _, r := range host {
		if !slices.Contains(givenByNetwork, r.route.Protocol) || r.route.Type != unix.RTN_UNICAST || !d.takes(r.prefix) {
			continue
		}
		if outer == nil {
			outer = outerInterfaces(host, link, d.Peers)
		}
		if outer[r.route.LinkIndex] && !given[r.prefix] {
			given[r.prefix] = true
			want = append(want, k.inward(r.prefix, link, d)...)
		}
	}
	return append(want, k.leftOut(host, given, d)...)
}

// takes tells whether the tunnel is to have what is sent to a network of an outer
// interface: of the networks in the configuration that contain it, the longest is a
// remote one.
func (d *Desired) takes(p netip.Prefix) bool {
	remote := -1
	for _, r := range d.Routes {
		if r.Via.Interface == "" && contains(r.Prefix, p) {
			remote = max(remote, r.Prefix.Bits())
		}
	}
	meant := func(n netip.Prefix) bool { return contains(n, p) && n.Bits() >= remote }
	outside := func(n netip.Prefix) bool { return contains(n, p) }
	return remote >= 0 && !p.Addr().IsLinkLocalUnicast() &&
		!slices.ContainsFunc(d.LocalNetworks, meant) && !slices.ContainsFunc(d.Outside, outside)
}

func contains(a, b netip.Prefix) bool { return a.Bits() <= b.Bits() && a.Contains(b.Addr()) }

// outerInterfaces are those that lead to peers.
func outerInterfaces(host []installed, link netlink.Link, peers []netip.Addr) map[int]bool {
	outer := map[int]bool{}
	for _, peer := range peers {
		peer = peer.Unmap().WithZone("")
		way := wayOutside(host, link, netip.PrefixFrom(peer, peer.BitLen()))
		if way == nil {
			continue
		}
		outer[way.route.LinkIndex] = true
		for _, hop := range way.route.MultiPath {
			outer[hop.LinkIndex] = true
		}
	}
	return outer
}

// inward leads to a network through the interface.
func (k *Kernel) inward(p netip.Prefix, link netlink.Link, d *Desired) []installed {
	id := keyOf(p, 0, k.insideTable())
	route := k.toPrefix(id)
	route.LinkIndex = link.Attrs().Index
	if p.Addr().Is4() {
		route.Scope = netlink.SCOPE_LINK
	}
	out := []installed{{id, route, fmt.Sprintf("lead what is forwarded to %v through interface %s", p, d.Interface)}}
	if d.FailClosed {
		out = append(out, k.standIn(p, k.insideTable()))
	}
	return out
}

// leftOut are the networks inside of those given that the main table decides on: the
// host's other routes, and what the configuration names.
func (k *Kernel) leftOut(host []installed, given map[netip.Prefix]bool, d *Desired) (want []installed) {
	if len(given) == 0 {
		return nil
	}
	parts := slices.Concat(d.LocalNetworks, d.Outside)
	for _, r := range host {
		parts = append(parts, r.prefix)
	}
	for _, r := range d.Routes {
		if r.Via.Interface != "" {
			parts = append(parts, r.Prefix)
		}
	}
	seen := map[netip.Prefix]bool{}
	for _, part := range parts {
		part = part.Masked()
		inside := false
		for g := range given {
			inside = inside || contains(g, part)
		}
		if !inside || given[part] || seen[part] {
			continue
		}
		seen[part] = true
		want = append(want, k.throw(part, k.insideTable()))
	}
	return want
}

// forwardedRules lead what is forwarded to the networks of outer interfaces, but for
// what comes out of the tunnel.
func (k *Kernel) forwardedRules(d *Desired, inside []installed, others []netlink.Rule) (out []policyRule) {
	families := map[int]bool{}
	for _, w := range inside {
		if family := familyOf(w.prefix.Addr()); !families[family] {
			families[family] = true
			first := firstInto(d, family, others)
			rule := policyRule{priority: max(first-1, 1), family: family}
			arrived, forwarded := rule, rule
			arrived.iface, arrived.jump = d.Interface, first
			forwarded.forwarded, forwarded.table = true, k.insideTable()
			out = append(out, arrived, forwarded)
		}
	}
	return out
}

package kernel

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// Transport mode carries packets between this host and a peer itself, on the same
// way that the ESP takes which they become. So a route alone cannot tell the two
// apart. Rules do, in a block of their own:
//
//	30193  our own packets: by mark, as ESP, from our ports     jump to 30195
//	30194  what this host sends to a peer, of some protocols    table 30000 + protocol number
//	30195  nothing: go on as if none of this was here
//
// They tell our own packets by what packets are, and not by a mark on our sockets
// alone: with rp_filter the kernel looks up the way back of a packet that comes, which
// has no mark, and would drop ESP that came from elsewhere than where the rules lead
// the peer's packets. That the rules name protocols makes it look at these then.
// Rules for hosts hold for what this host sends; what it forwards is not between the
// two hosts.
const (
	ownPriority  = rulePriority - 4
	hostPriority = rulePriority - 3
	passPriority = rulePriority - 2

	// hostTables plus our protocol number is the table with the routes to hosts.
	hostTables = 30000
)

// OutsideMark (SO_MARK) is on sockets that ask for the way to a peer outside of the
// interface. Nothing is sent on them.
const OutsideMark = 0x43000000

// OwnTables are those that a gateway with this protocol number has routes in besides
// Desired.Table.
func OwnTables(protocol int) []int {
	return []int{hostTables + protocol, outsideTables + protocol, insideTables + protocol}
}

// hostTable is the table that rules lead packets for hosts to. Gateways that share a
// network namespace have different ones.
func (k *Kernel) hostTable() int { return hostTables + int(k.protocol) }

// hostRules are the rules for Hosts.
func (k *Kernel) hostRules(d *Desired) []policyRule {
	var out []policyRule
	families := map[int]bool{}
	for _, h := range d.Hosts {
		if !d.Up {
			break
		}
		rule := policyRule{
			priority: hostPriority, family: familyOf(h.Peer), local: true, table: k.hostTable(),
			to: netip.PrefixFrom(h.Peer, h.Peer.BitLen()),
		}
		families[rule.family] = true
		if len(h.Protocols) == 0 {
			out = append(out, rule)
		}
		for _, p := range h.Protocols {
			rule.protocol = p
			out = append(out, rule)
		}
	}
	for family := range families {
		out = append(out, policyRule{priority: passPriority, family: family})
		out = append(out, d.Own.rules(policyRule{priority: ownPriority, family: family, jump: passPriority})...)
	}
	return out
}

// hostRoutes are the routes to Hosts, in their table.
func (k *Kernel) hostRoutes(link netlink.Link, d *Desired) (want []installed) {
	for _, h := range d.Hosts {
		if !d.Up {
			break
		}
		source := k.sourceTo(h)
		prefix := netip.PrefixFrom(h.Peer, h.Peer.BitLen())
		id := keyOf(prefix, 0, k.hostTable())
		route := k.toPrefix(id)
		route.LinkIndex = link.Attrs().Index
		if prefix.Addr().Is4() {
			route.Scope = netlink.SCOPE_LINK
		}
		if source.IsValid() {
			route.Src = source.AsSlice()
		}
		want = append(want, installed{id, route, fmt.Sprintf("add the route to peer %v itself through interface %s", h.Peer, d.Interface)})
		if d.FailClosed {
			want = append(want, k.standIn(prefix, k.hostTable()))
		}
	}
	return want
}

// sourceTo is the source address of packets to a host: that of the way outside, if
// no other is wanted.
func (k *Kernel) sourceTo(h Host) netip.Addr {
	if h.Source.IsValid() {
		return h.Source
	}
	routes, err := k.handle.RouteGetWithOptions(h.Peer.AsSlice(), &netlink.RouteGetOptions{Mark: OutsideMark})
	if err != nil || len(routes) == 0 {
		// There is no way to the peer either; Set is called again when there is.
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(routes[0].Src)
	return a.Unmap()
}

// hosts checks and completes Hosts.
func (d *Desired) hosts() error {
	hosts := d.Hosts
	d.Hosts = nil
	for _, h := range hosts {
		h.Peer = h.Peer.Unmap().WithZone("")
		if !h.Peer.IsValid() || h.Source.IsValid() && h.Source.Is4() != h.Peer.Is4() {
			return fmt.Errorf("kernel: interface %s: %v cannot be reached from %v", d.Interface, h.Peer, h.Source)
		}
		if !slices.ContainsFunc(d.Hosts, func(o Host) bool { return o.Peer == h.Peer }) {
			d.Hosts = append(d.Hosts, h)
		}
	}
	return nil
}

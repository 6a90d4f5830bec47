package config

import (
	"net/netip"
	"slices"
)

// device checks the TUN device against what it is to carry, and where its routes go.
func (d *decoder) device(c *Config) {
	i := &c.Gateway.Interface
	if i.MTU != 0 && i.MTU < minimumMTU6 && carriesIPv6(c) {
		d.at(Error, "gateway.interface.mtu", "is %d, but IPv6 networks need at least %d", i.MTU, minimumMTU6)
	}
	if i.SourceRules && i.RouteTable == 0 {
		d.at(Error, "gateway.interface.source_rules", "needs gateway.interface.route_table: rules that lead to the main table change nothing")
	}
	const path = "gateway.interface.route_table"
	switch own := OwnTables(i.RouteProtocol); {
	case i.RouteTable == mainTable:
		d.at(Error, path, "%d is the main table: write main", i.RouteTable)
	case i.RouteTable == localTable:
		d.at(Error, path, "%d is the kernel's table local, which every packet is looked for in before the rules that keep our own outside: use another number", i.RouteTable)
	case slices.Contains(own, i.RouteTable):
		d.at(Error, path, "%d is a table that this gateway keeps for other routes, as %v are with gateway.interface.route_protocol %d: use another number", i.RouteTable, own, i.RouteProtocol)
	}
}

// The kernel's tables (RT_TABLE_MAIN, RT_TABLE_LOCAL).
const (
	mainTable  = 254
	localTable = 255
)

// OwnTables are the routing tables besides route_table that a gateway with this
// route_protocol has routes in.
func OwnTables(protocol int) []int {
	return []int{30000 + protocol, 30256 + protocol, 30512 + protocol}
}

// minimumMTU6 is what a link must carry (RFC 8200 §5).
const minimumMTU6 = 1280

func carriesIPv6(c *Config) bool {
	any6 := func(ps []netip.Prefix) bool {
		for _, p := range ps {
			if p.Addr().Is6() {
				return true
			}
		}
		return false
	}
	if any6(c.Gateway.Interface.Addresses) {
		return true
	}
	for i := range c.Connections {
		if any6(c.Connections[i].Remote.Networks) || any6(c.Connections[i].Local.Networks) {
			return true
		}
	}
	return false
}

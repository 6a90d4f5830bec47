package gateway

import (
	"net/netip"
	"slices"

	"causeway/config"
	"causeway/esp/selector"
	"causeway/ike"
	"causeway/ike/sa"
	"causeway/routing"
	"causeway/routing/kernel"
)

// Connections in transport mode: what they carry is between this host and the peer
// itself, so the peer's address is all that is at their site.

func isTransport(c *config.Connection) bool { return c.ESP.Mode != config.TunnelMode }

var modes = map[config.TransportOrTunnel]sa.Mode{
	config.TunnelMode: sa.ModeTunnel, config.TransportMode: sa.ModeTransport, config.PreferTransport: sa.ModePreferTransport,
}

// hostChildren are the Child SAs of a connection in transport mode. Which addresses
// they are between is known when they are negotiated. In IKEv1 each has one protocol.
func hostChildren(c config.Connection) []sa.ChildSettings {
	protocols := c.ESP.Protocols
	if len(protocols) == 0 {
		protocols = []config.Protocol{0}
	}
	all := sa.ChildSettings{Name: c.Name, Mode: modes[c.ESP.Mode]}
	var each []sa.ChildSettings
	for _, p := range protocols {
		list := selector.Any()
		for i := range list {
			list[i].Protocol = uint8(p)
		}
		all.Local = append(all.Local, list...)
		each = append(each, sa.ChildSettings{Name: c.Name + "-" + p.String(), Local: list, Remote: list, Mode: all.Mode})
	}
	all.Remote = all.Local
	if c.IKE.Version == 1 && len(each) > 1 {
		return each
	}
	return []sa.ChildSettings{all}
}

// peersNow are the addresses that the peer of a connection has: those of the
// configuration, and where it is now.
func peersNow(c *config.Connection, s *ike.ConnectionStatus) []netip.Addr {
	out := literalAddresses(c.Remote)
	if s != nil {
		for _, i := range s.IKE {
			out = append(out, i.Remote.Addr())
		}
	}
	for i, a := range out {
		out[i] = a.Unmap().WithZone("")
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// hostsOf are the peers whose packets with this host itself a connection carries.
// localTo is the address that this host has towards another.
func hostsOf(c *config.Connection, s *ike.ConnectionStatus, localTo func(netip.Addr) (netip.Addr, error)) []kernel.Host {
	var protocols []uint8
	for _, p := range c.ESP.Protocols {
		protocols = append(protocols, uint8(p))
	}
	var out []kernel.Host
	for _, peer := range peersNow(c, s) {
		h := kernel.Host{Peer: peer, Protocols: protocols}
		for _, i := range s.IKE {
			if i.Remote.Addr().Unmap() == peer {
				h.Source = i.Local.Addr().Unmap()
			}
		}
		if !h.Source.IsValid() {
			if a, err := localTo(peer); err == nil && a.Is4() == peer.Is4() && !a.IsUnspecified() {
				h.Source = a.WithZone("")
			}
		}
		out = append(out, h)
	}
	return out
}

// hostSites are the peers of a connection in transport mode, as its site. Two peers
// behind one NAT have one address: it is the first's (RFC 3948 §5.2).
func hostSites(c *config.Connection, s *ike.ConnectionStatus, taken map[netip.Addr]bool) []routing.Site {
	var out []routing.Site
	for _, peer := range peersNow(c, s) {
		if !taken[peer] {
			taken[peer] = true
			out = append(out, routing.Site{Prefix: netip.PrefixFrom(peer, peer.BitLen()), Connection: c.Name, Metric: c.Metric})
		}
	}
	return out
}

// followHosts tells the data path where the peers of connections in transport mode
// are now, if that is not as it was.
func (g *Gateway) followHosts() {
	g.sited.Lock()
	defer g.sited.Unlock()
	cfg := g.config.Load()
	if !slices.ContainsFunc(cfg.Connections, func(c config.Connection) bool { return isTransport(&c) }) {
		return
	}
	now := sites(cfg, g.engine.Status())
	if slices.Equal(now, g.sites) {
		return
	}
	if table, err := routing.Build(now, localNetworks(cfg)...); err == nil { // else it is as it was
		g.sites = now
		g.tunnel.SetRoutes(table)
	}
}

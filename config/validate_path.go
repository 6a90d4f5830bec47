package config

import "net/netip"

// paths checks a connection's private line and its probes.
func (d *decoder) paths(g *Gateway, c *Connection) {
	line := &c.Direct
	if line.Interface == "" {
		for _, key := range []string{"direct.next_hop", "direct.probe.target"} {
			if d.given(c, key) && !d.broken[d.path(c, "direct.interface")] {
				d.fail(c, key, "needs direct.interface: the network interface that the private line is at")
				break
			}
		}
	} else {
		d.line(g, c)
	}
	if c.Probe.Target.IsValid() && !insideOne(c.Remote.Networks, c.Probe.Target) {
		d.fail(c, "probe.target", "%s is in none of remote.networks: the probe would not enter the tunnel", c.Probe.Target)
	}
	if !c.Probe.Target.IsValid() {
		return
	}
	switch source := sourceFor(g, c.Probe.Target); {
	case !source.IsValid():
		d.fail(c, "probe.target", "needs an %s address in gateway.interface.addresses, which the peer answers to", familyOf(c.Probe.Target))
	case c.Type == PolicyBased && len(c.Local.Networks) > 0 && !insideOne(c.Local.Networks, source):
		d.fail(c, "probe.target", "is asked from %s (gateway.interface.addresses), which is in none of local.networks: policy-based would not carry it", source)
	}
}

// line checks a private line that is there.
func (d *decoder) line(g *Gateway, c *Connection) {
	line := &c.Direct
	if line.Interface == g.Interface.Name {
		d.fail(c, "direct.interface", "%s is the tunnels' own interface (gateway.interface.name)", line.Interface)
	}
	if !g.Interface.Routes {
		d.fail(c, "direct.interface", "a private line needs gateway.interface.routes: the kernel's routes are what moves packets to it")
	}
	if g.Interface.Namespace != "" {
		d.warn(c, "direct.interface", "is looked for in network namespace %s (gateway.interface.namespace)", g.Interface.Namespace)
	}
	if !line.Probe.Target.IsValid() {
		line.Probe.Target = line.NextHop
	}
	switch {
	case !line.Probe.Target.IsValid() && !d.broken[d.path(c, "direct.probe.target")] && !d.broken[d.path(c, "direct.next_hop")]:
		d.fail(c, "direct", "needs next_hop or probe.target: somebody has to answer that the line is up")
	case line.Probe.Target.IsValid() && line.NextHop.IsValid() && line.Probe.Target.Is4() != line.NextHop.Is4():
		d.fail(c, "direct.probe.target", "%s is %s and next_hop is not", line.Probe.Target, familyOf(line.Probe.Target))
	}
}

func insideOne(networks []netip.Prefix, a netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// sourceFor is the device's first address of a's family, or none.
func sourceFor(g *Gateway, a netip.Addr) netip.Addr {
	for _, p := range g.Interface.Addresses {
		if p.Addr().Is4() == a.Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

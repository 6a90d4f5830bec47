package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// protocolNames are the IP protocols that have a name here; others have numbers.
var protocolNames = map[string]Protocol{
	"icmp": 1, "ipip": 4, "tcp": 6, "udp": 17, "sit": 41, "gre": 47, "icmpv6": 58, "ospf": 89, "l2tp": 115, "sctp": 132,
}

// String is the protocol's name, or its number.
func (p Protocol) String() string {
	for name, n := range protocolNames {
		if n == p {
			return name
		}
	}
	return strconv.Itoa(int(p))
}

const protocolESP = 50

// protocol is an IP protocol that can be in ESP.
var protocol = kind[Protocol]{
	shape: shape{Allowed: "icmp, ipip, tcp, udp, sit, gre, icmpv6, ospf, l2tp, sctp, or the number of an IP protocol", AnyOf: []shape{
		{Type: "string", Enum: []string{"gre", "icmp", "icmpv6", "ipip", "l2tp", "ospf", "sctp", "sit", "tcp", "udp"}},
		{Type: "integer", Min: 1, Max: 255},
	}},
	parse: func(text string) (Protocol, error) {
		if p, ok := protocolNames[text]; ok {
			return p, nil
		}
		n, err := strconv.Atoi(text)
		switch {
		case err != nil || n < 1 || n > 255:
			return 0, errNotAllowed
		case n == protocolESP:
			return 0, errors.New("must not be ESP itself, which the others become")
		}
		return Protocol(n), nil
	},
}

// transport checks what transport mode has, and what it has not: it is between the
// two ends themselves.
func (d *decoder) transport(g *Gateway, c *Connection) {
	if c.ESP.Mode == TunnelMode {
		if len(c.ESP.Protocols) > 0 {
			d.fail(c, "esp.protocols", "is of transport mode: leave it out, or set esp.mode: transport")
		}
		return
	}
	of := "esp.mode " + string(c.ESP.Mode)
	own := func(key string) bool { return d.has(join("connections", c.Name) + "." + key) }
	for _, key := range []string{"local.networks", "remote.networks"} {
		if own(key) {
			d.fail(c, key, "cannot be used with %s, which is for the two ends themselves: leave it out", of)
		}
	}
	c.Local.Networks, c.Remote.Networks = nil, nil // those of defaults
	for key, used := range map[string]bool{
		"type": c.Type == PolicyBased, "child_per_pair": c.ChildPerPair, "transit": c.Transit, "translate": len(c.Translate) > 0,
		"direct": c.Direct.Interface != "", "probe": c.Probe.Target.IsValid(), "ike.mode_config": c.IKE.ModeConfig != ModeConfigOff,
	} {
		if used {
			d.fail(c, key, "is about networks behind the two ends, and %s is for the ends themselves: leave it out", of)
		}
	}
	if g.Interface.Namespace != "" {
		d.fail(c, "esp.mode", "%s needs the interface where the sockets are: leave gateway.interface.namespace out", c.ESP.Mode)
	}
	if c.ESP.TFCPadding > 0 {
		d.warn(c, "esp.tfc_padding", "has no effect with %s: nothing would say where the packets end", of)
	}
	for i, a := range c.Remote.Addresses {
		if a.IP.IsLinkLocalUnicast() {
			d.fail(c, d.addressKey(c, i), "%s is of one link only, which %s cannot be for", a.IP, of)
		}
	}
}

// hosts finds connections in transport mode whose peers are somebody else's, too.
func (d *decoder) hosts(connections []Connection) {
	type owner struct {
		c   *Connection
		key string
	}
	first := map[netip.Addr]owner{}
	for i := range connections {
		c := &connections[i]
		if c.ESP.Mode == TunnelMode {
			for k, n := range c.Remote.Networks {
				if n.IsValid() && n.IsSingleIP() {
					first[n.Addr()] = owner{c, index("remote.networks", k)}
				}
			}
		}
	}
	for i := range connections {
		c := &connections[i]
		if c.ESP.Mode == TunnelMode {
			continue
		}
		for k, a := range c.Remote.Addresses {
			if !a.IP.IsValid() {
				continue
			}
			key := d.addressKey(c, k)
			if before, ok := first[a.IP]; ok && before.c != c {
				d.fail(c, key, "%s is what connection %s is for too (%s): one connection has all protocols between two hosts", a.IP, clip(before.c.Name),
					fmt.Sprintf("line %d", d.place(d.path(before.c, before.key)).line))
				continue
			}
			first[a.IP] = owner{c, key}
		}
	}
}

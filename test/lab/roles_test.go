package lab

import (
	"net/netip"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// outer makes the tunnel run over IPv6.
func outer6(e link.End) link.End {
	six := map[netip.Addr]netip.Addr{world.SiteA.Outer4: world.SiteA.Outer6, world.SiteB.Outer4: world.SiteB.Outer6}
	e.Local, e.Remote = six[e.Local], six[e.Remote]
	return e
}

// networks makes the tunnel join the networks of those places in Site.Networks.
func networks(e link.End, places ...int) link.End {
	pick := func(s world.Site) []netip.Prefix {
		var list []netip.Prefix
		for _, i := range places {
			list = append(list, s.Networks[i])
		}
		return list
	}
	e.LocalNetworks, e.RemoteNetworks = pick(world.SiteA), pick(world.SiteB)
	return e
}

// TestTunnel is every shape of a tunnel, begun by either end.
func TestTunnel(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct {
		name string
		make func(link.End) link.End
	}{
		{"4in4", func(e link.End) link.End { return networks(e, 0) }},
		{"6in4", func(e link.End) link.End { return networks(e, 2) }},
		{"4in6", func(e link.End) link.End { return outer6(networks(e, 0)) }},
		{"6in6", func(e link.End) link.End { return outer6(networks(e, 2)) }},
		{"several", func(e link.End) link.End { return networks(e, 0, 1, 2) }},
		{"policy 2x2", func(e link.End) link.End {
			e = networks(e, 0, 1)
			e.PolicyBased = true
			return e
		}},
		{"addresses as identities", func(e link.End) link.End {
			e.LocalIdentity, e.RemoteIdentity = "", ""
			return e
		}},
	} {
		a, _ := link.Pair()
		a = shape.make(a)
		t.Run("initiator/"+shape.name, func(t *testing.T) {
			newScene(t).joined(a, a.Peer())
		})
		t.Run("responder/"+shape.name, func(t *testing.T) {
			b := a
			b.Start = false
			newScene(t).joined(b, b.Peer())
		})
	}
}

// TestChildren: strongSwan asks for one Child SA for each pair of networks.
func TestChildren(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name   string
		policy bool
	}{{"route-based", false}, {"policy-based", true}} {
		t.Run(kind.name, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a = networks(a, 0, 1)
			a.Start, a.PolicyBased = false, kind.policy
			b := a.Peer()
			b.Start, b.Split = false, true
			g := s.causeway(s.GatewayA, a)
			d := s.strongswan(s.GatewayB, b)
			s.must(d.InitiateChild(s.ctx, "link-0"))
			s.must(d.InitiateChild(s.ctx, "link-1"))
			theirs := s.swanUp(d, 2)
			s.pingBoth(a)
			ours := s.up(g)
			if len(ours.Children) != 2 {
				t.Fatalf("strongSwan has two Child SAs, ours are %+v", ours.Children)
			}
			theirs = s.swanUp(d, 2)
			for _, c := range theirs.Children {
				for _, o := range s.status(g, link.Name).Children {
					if o.SPIIn == c.SPIOut {
						s.agreeChild(o, c)
					}
				}
				if c.PacketsIn < bothPings || c.PacketsOut < bothPings { // more where a ping was repeated
					t.Errorf("a Child SA of strongSwan carried %d packets in and %d out, want %d at least: %+v", c.PacketsIn, c.PacketsOut, bothPings, c)
				}
			}
		})
	}
}

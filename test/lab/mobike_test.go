package lab

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// second is the further outer address that a site's gateway has in these tests.
func second(site world.Site) netip.Addr {
	b := site.Outer4.As4()
	b[3] += 10
	return netip.AddrFrom4(b)
}

// ip runs ip(8) in a namespace.
func (s *scene) ip(space *world.Namespace, arguments ...string) {
	s.t.Helper()
	_, err := space.Run(s.ctx, "ip", arguments...)
	s.must(err)
}

// twoAddresses gives a gateway a further address, so that the first can go and the
// other stays.
func (s *scene) twoAddresses(space *world.Namespace, site world.Site) {
	s.t.Helper()
	_, err := space.Run(s.ctx, "sysctl", "-q", "-w", "net.ipv4.conf.all.promote_secondaries=1")
	s.must(err)
	s.ip(space, "address", "add", second(site).String()+"/24", "dev", "wan")
}

// dropFirst takes the first address away.
func (s *scene) dropFirst(space *world.Namespace, site world.Site) {
	s.t.Helper()
	s.ip(space, "address", "del", site.Outer4.String()+"/24", "dev", "wan")
}

// mobile is the two ends of a tunnel that can move.
func mobile(begins string) (a, b link.End) {
	a, _ = link.Pair()
	a = networks(a, 0)
	a.Start, a.DPD = begins == "we", 2*time.Second
	b = a.Peer()
	a.IKEKeys = []string{"mobike: true"}
	b.SwanKeys = []string{"mobike = yes", "local_addrs = %any"}
	return a, b
}

// moved waits until both clients reach each other while the IKE SA is the one from
// before, between these addresses.
func (s *scene) moved(g *gateway.Gateway, before *gateway.Connection, ours, theirs netip.Addr) {
	s.t.Helper()
	a := world.ClientIn(world.SiteA.Networks[0])
	s.eventually("the tunnel at its new addresses", func() error {
		c := s.status(g, link.Name)
		if c.IKE == nil || c.IKE.SPIi != before.IKE.SPIi {
			return fmt.Errorf("the IKE SA is another one: %s", describe(c))
		}
		local, remote := at(c.IKE.Local), at(c.IKE.Remote)
		if local != ours || remote != theirs {
			return fmt.Errorf("it is between %v and %v", local, remote)
		}
		return s.reaches(s.ClientB, a)
	})
}

func at(text string) netip.Addr {
	p, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}

// TestMobike: an address goes at either end, whoever began, and the IKE SA goes on
// at another one (RFC 4555). strongSwan's ESP in userspace cannot move a Child SA,
// so it makes another.
func TestMobike(t *testing.T) {
	t.Parallel()
	for _, begins := range []string{"we", "it"} {
		for _, moves := range []string{"we", "it"} {
			t.Run(begins+" began, "+moves+" moves", func(t *testing.T) {
				s := newScene(t)
				a, b := mobile(begins)
				a.Also = []netip.Addr{second(world.SiteA)}
				s.twoAddresses(s.GatewayA, world.SiteA)
				s.twoAddresses(s.GatewayB, world.SiteB)
				var g *gateway.Gateway
				var d *strongswan.Daemon
				if begins == "we" {
					d, g = s.strongswan(s.GatewayB, b), s.causeway(s.GatewayA, a)
				} else {
					g, d = s.causeway(s.GatewayA, a), s.strongswan(s.GatewayB, b)
				}
				s.up(g)
				s.swanUp(d, 1)
				s.pingBoth(a)
				before := s.status(g, link.Name)
				ours, theirs := world.SiteA.Outer4, world.SiteB.Outer4
				if moves == "we" {
					s.dropFirst(s.GatewayA, world.SiteA)
					ours = second(world.SiteA)
				} else {
					s.dropFirst(s.GatewayB, world.SiteB)
					theirs = second(world.SiteB)
				}
				s.moved(g, before, ours, theirs)
				s.pingBoth(a)
			})
		}
	}
}

// TestMobikeInsideEverything: the peer goes on at an address that nobody told us of,
// which lies inside a remote network like every other.
func TestMobikeInsideEverything(t *testing.T) {
	t.Parallel()
	for _, begins := range []string{"we", "it"} {
		t.Run(begins+" began", func(t *testing.T) {
			s := newScene(t)
			a, b := mobile(begins)
			pings := a
			a.RemoteNetworks = everywhere
			b.IKEKeys, b.Also = a.IKEKeys, []netip.Addr{second(world.SiteB)}
			s.twoAddresses(s.GatewayB, world.SiteB)
			h, g := s.causeway(s.GatewayB, b), s.causeway(s.GatewayA, a)
			s.up(g)
			s.up(h)
			s.pingBoth(pings)
			before := s.status(g, link.Name)
			s.dropFirst(s.GatewayB, world.SiteB)
			s.patience = 20 * time.Second // the routes are looked at every 30 s in any case
			s.moved(g, before, world.SiteA.Outer4, second(world.SiteB))
			s.pingBoth(pings)
		})
	}
}

// TestMobikeNATMapping: the NAT before us forgets its mappings and makes others. Our
// liveness check, whose answer says where the peer sees us, finds out, and
// UPDATE_SA_ADDRESSES tells the peer (RFC 4555 §3.8); the IKE SA is the one from before.
func TestMobikeNATMapping(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"causeway", "strongSwan"} {
		t.Run(peer, func(t *testing.T) {
			s := newScene(t)
			s.must(s.Masquerade(s.ctx, world.SiteB))
			a, b := natPair()
			a.DPD = livenessInterval
			a.IKEKeys = []string{"mobike: true"}
			b.IKEKeys, b.SwanKeys = a.IKEKeys, []string{"mobike = yes"}
			if peer == "causeway" {
				s.causeway(s.GatewayB, b)
			} else {
				s.strongswan(s.GatewayB, b)
			}
			g := s.causeway(s.GatewayA, a)
			before := s.up(g)
			s.pingBoth(a)
			s.must(s.forget())
			s.eventually("UPDATE_SA_ADDRESSES", func() error { return inLog(g.Log(), "N(UPDATE_SA_ADDRESSES)") })
			s.eventually("answers through the new port", func() error {
				return s.reaches(s.ClientA, world.ClientIn(world.SiteB.Networks[0]))
			})
			s.pingBoth(a)
			s.sameIKE(g, before)
		})
	}
}

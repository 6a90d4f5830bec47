package lab

import (
	"net/netip"
	"slices"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestOverlap joins two sites that both have 10.99.0.0/24. Gateway A translates
// both: its own site is 100.64.1.0/24 to the peer, which knows nothing of it,
// and the peer's is 100.64.2.0/24 here.
func TestOverlap(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"causeway", "strongswan"} {
		t.Run(peer, func(t *testing.T) {
			s := newScene(t)
			s.sameNetworks()
			a, _ := link.Pair()
			a.LocalNetworks = []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24")}
			a.RemoteNetworks = []netip.Prefix{netip.MustParsePrefix("100.64.2.0/24")}
			a.PolicyBased = true
			b := a.Peer()
			b.LocalNetworks, b.RemoteNetworks = a.LocalNetworks, []netip.Prefix{netip.MustParsePrefix("100.64.1.0/24")}
			a.Keys = `
translate:
  - {inside: 10.99.0.0/24, outside: 100.64.1.0/24, direction: egress}
  - {inside: 10.99.0.0/24, outside: 100.64.2.0/24, direction: ingress}`
			if peer == "strongswan" {
				s.strongswan(s.GatewayB, b)
			} else {
				s.causeway(s.GatewayB, b)
			}
			g := s.causeway(s.GatewayA, a)
			s.up(g)
			s.overlapping(g)
		})
	}
}

const (
	overlapSize        = 5 << 20
	hostA, hostB       = "10.99.0.5", "10.99.0.9"
	knownAsA, knownAsB = "100.64.1.5", "100.64.2.9"
)

// sameNetworks gives both sites 10.99.0.0/24, with the gateway at 1.
func (s *scene) sameNetworks() {
	s.t.Helper()
	for _, site := range []struct {
		client, gateway *world.Namespace
		host            string
	}{{s.ClientA, s.GatewayA, hostA}, {s.ClientB, s.GatewayB, hostB}} {
		s.must(site.client.Shell(s.ctx, "ip addr add "+site.host+"/24 dev eth0"))
		s.must(site.gateway.Shell(s.ctx, "ip addr add 10.99.0.1/24 dev lan"))
		s.must(site.client.Shell(s.ctx, "ip route add 100.64.0.0/16 via 10.99.0.1 src "+site.host))
	}
}

// overlapping has the sites talk to each other, from either: by ping, by TCP, and by
// traceroute, which lives on ICMP errors.
func (s *scene) overlapping(g *gateway.Gateway) {
	s.t.Helper()
	s.ping(s.ClientA, netip.MustParseAddr(knownAsB), 5)
	s.ping(s.ClientB, netip.MustParseAddr(knownAsA), 5)
	s.must(s.transferKnownAs(netip.MustParseAddr(knownAsB), s.ClientA, s.ClientB, netip.MustParseAddr(hostB), overlapSize))
	s.must(s.transferKnownAs(netip.MustParseAddr(knownAsA), s.ClientB, s.ClientA, netip.MustParseAddr(hostA), overlapSize))
	for _, c := range []struct {
		from *world.Namespace
		to   string
		want []string
	}{
		{s.ClientA, knownAsB, []string{"10.99.0.1", "100.64.2.1", knownAsB}},
		{s.ClientB, knownAsA, []string{"10.99.0.1", "100.64.1.1", knownAsA}},
	} {
		if hops := s.traceroute(c.from, netip.MustParseAddr(c.to)); !slices.Equal(hops, c.want) {
			s.t.Errorf("traceroute to %s: %v, want %v", c.to, hops, c.want)
		}
	}
	if c := s.status(g, link.Name); c.Drops["selector"]+c.Drops["malformed"] > 0 {
		s.t.Errorf("dropped: %v", c.Drops)
	}
}

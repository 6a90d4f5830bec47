package lab

import (
	"fmt"
	"net/netip"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

const (
	// Of 50 echoes a second a tunnel that fails silently may cost those until three
	// probes, 200 ms apart, are lost, and those of one second.
	lostByTunnel = 50 + 30
	// mostByTunnel is what it may cost on a machine that is not quiet.
	mostByTunnel = 4 * lostByTunnel
)

// TestTwoTunnels has two tunnels to one site, to two addresses of its gateway. The
// first carries while probes through it are answered, by both ends' own judgement.
func TestTwoTunnels(t *testing.T) {
	s := newScene(t)
	s.twoAddresses(s.GatewayB, world.SiteB)
	first, other := s.twoTunnels()
	right, left := s.causeway(s.GatewayB, peersOf(first, other, "169.254.21.1", "169.254.21.2/30")...), s.causeway(s.GatewayA, first, other)
	for _, g := range []*gateway.Gateway{left, right} {
		for _, name := range []string{"first", "other"} {
			s.upNamed(g, name)
		}
		s.tunnelPath(g, "up")
	}
	there := world.ClientIn(world.SiteB.Networks[0])
	s.ping(s.ClientA, there, 10)
	failing := s.stream(s.ClientA, there)
	unused := s.unused(left, "other", func() {
		s.tunnelPath(left, "up")
		s.ping(s.ClientA, there, 25)
	})
	disturbing := watchDisturbance(t)
	s.must(s.Router.Shell(s.ctx, fmt.Sprintf(`nft add table inet cut
nft add chain inet cut in '{ type filter hook prerouting priority raw; }'
nft add rule inet cut in udp dport 4500 ip daddr %[1]s drop
nft add rule inet cut in udp sport 4500 ip saddr %[1]s drop`, world.SiteB.Outer4)))
	s.tunnelPath(left, "down")
	s.tunnelPath(right, "down")
	most, disturbed := lostByTunnel, disturbing()
	if !disturbed.quiet() {
		t.Log(disturbed)
		most = mostByTunnel
	}
	s.ping(s.ClientA, there, 50)
	if failing.finishMissing(most) == 0 {
		t.Error("no echo was lost: the first tunnel did not carry them")
	}
	if n := s.status(left, "other").BytesOut; n == unused {
		t.Error("the other tunnel carried nothing")
	}

	back := s.stream(s.ClientA, there)
	s.ping(s.ClientA, there, 10)
	s.must(s.Router.Shell(s.ctx, "nft delete table inet cut"))
	s.tunnelPath(left, "up")
	s.tunnelPath(right, "up")
	s.ping(s.ClientA, there, 50)
	back.finish()
}

// twoTunnels are A's ends.
func (s *scene) twoTunnels() (first, other link.End) {
	first, _ = link.Pair()
	first = networks(first, 0)
	first.Name, first.LocalIdentity, first.RemoteIdentity = "first", "first-a.lab.example", "first-b.lab.example"
	first.RemoteNetworks = append(first.RemoteNetworks, netip.MustParsePrefix("169.254.21.2/32"))
	first.LocalNetworks = append(first.LocalNetworks, netip.MustParsePrefix("169.254.21.1/32"))
	first.Keys = "probe: {target: 169.254.21.2}\nmetric: 10"
	first.InterfaceKeys = "addresses: [169.254.21.1/30]"
	other = first
	other.Name, other.LocalIdentity, other.RemoteIdentity = "other", "other-a.lab.example", "other-b.lab.example"
	other.Remote, other.Keys = second(world.SiteB), "metric: 20"
	return first, other
}

// peersOf are B's, which probe A's address from their own.
func peersOf(first, other link.End, target, own string) []link.End {
	a, b := first.Peer(), other.Peer()
	a.Keys, b.Keys = "probe: {target: "+target+"}\nmetric: 10", "metric: 20"
	a.InterfaceKeys = "addresses: [" + own + "]"
	return []link.End{a, b}
}

// tunnelPath waits until the first tunnel's probes have that verdict.
func (s *scene) tunnelPath(g *gateway.Gateway, state string) {
	s.t.Helper()
	s.eventually("the first tunnel to be "+state, func() error {
		c := s.status(g, "first")
		if len(c.Paths) != 1 || c.Paths[0].Kind != "tunnel" || c.Paths[0].State != state {
			return fmt.Errorf("paths %+v", c.Paths)
		}
		return nil
	})
}

package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestPolicy sends what no connection wants, both ways (RFC 4301 §5).
func TestPolicy(t *testing.T) {
	t.Parallel()
	t.Run("no connection", policyNoConnection)
	t.Run("outside the selectors", policyOutbound)
	t.Run("connection down", policyDown)
	t.Run("source of another", policySource)
}

// answer pings once and gives what came back instead of an echo reply.
func (s *scene) answer(from *world.Namespace, arguments ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 12*time.Second)
	defer cancel()
	out, err := from.Run(ctx, "ping", append([]string{"-n", "-c", "1", "-W", "3"}, arguments...)...)
	if err == nil {
		s.t.Errorf("ping %v was answered", arguments)
	}
	return out
}

// gatewayDrops gives the drops of all connections and of none.
func (s *scene) gatewayDrops(g *gateway.Gateway) map[string]uint64 {
	s.t.Helper()
	status, err := g.Status(s.ctx)
	s.must(err)
	return status.Gateway.Drops
}

// dropped waits until a gateway has dropped exactly so many packets of the connection for
// that reason. It may count one a moment after it told the sender.
func (s *scene) dropped(g *gateway.Gateway, reason string, want uint64) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d drops for %s", want, reason), func() error {
		if drops := s.status(g, link.Name).Drops; drops[reason] != want {
			return fmt.Errorf("dropped %v", drops)
		}
		return nil
	})
}

// policyNoConnection routes packets to the tunnel device for which there is no
// connection.
func policyNoConnection(t *testing.T) {
	s := newScene(t)
	left, _ := s.ours()
	s.must(s.GatewayA.Shell(s.ctx, "ip route add 10.99.0.0/24 dev cw0\nip route add fd00:99::/64 dev cw0"))
	for _, c := range []struct{ to, want string }{
		{"10.99.0.1", "Packet filtered"},
		{"fd00:99::1", "Administratively prohibited"},
	} {
		// The kernel's own multicast on the device is dropped as well.
		before := s.gatewayDrops(left)
		if out := s.answer(s.ClientA, c.to); !strings.Contains(out, c.want) {
			t.Errorf("%s: want %q:\n%s", c.to, c.want, out)
		}
		s.eventually("another drop for no_route", func() error {
			if drops := s.gatewayDrops(left); drops["no_route"] <= before["no_route"] {
				return fmt.Errorf("%s: dropped %v, before that %v", c.to, drops, before)
			}
			return nil
		})
	}
}

// policyOutbound has a client of a network that the selectors leave out.
func policyOutbound(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.PolicyBased, b.PolicyBased = true, true
	s.causeway(s.GatewayB, b)
	left := s.causeway(s.GatewayA, a)
	s.up(left)
	s.pingBoth(a)
	from, to := world.ClientIn(world.SiteA.Networks[1]).String(), world.ClientIn(world.SiteB.Networks[0]).String()
	before := s.status(left, link.Name).Drops["no_sa"]
	if out := s.answer(s.ClientA, "-I", from, to); !strings.Contains(out, "Packet filtered") {
		t.Errorf("from %s to %s: want %q:\n%s", from, to, "Packet filtered", out)
	}
	s.dropped(left, "no_sa", before+1)
	s.pingBoth(a)
}

// policyDown has a connection whose peer does not exist, and that routes
// traffic to itself to come up on: a packet is held for a while, and answered
// when no SA comes.
func policyDown(t *testing.T) {
	s := newScene(t)
	a, _ := link.Pair()
	a.Start, a.OnTraffic = false, true
	g := s.causeway(s.GatewayA, a)
	s.eventually("IPv6 to the gateway", func() error {
		return s.reaches(s.ClientA, world.GatewayIn(world.SiteA.Networks[2]))
	})
	for i, c := range []struct {
		network int
		want    string
	}{{0, "Destination Host Unreachable"}, {2, "Address unreachable"}} {
		to := world.ClientIn(world.SiteB.Networks[c.network]).String()
		if out := s.answer(s.ClientA, "-W", "9", to); !strings.Contains(out, c.want) {
			t.Errorf("%s: want %q:\n%s", to, c.want, out)
		}
		s.dropped(g, "no_sa", uint64(i+1))
	}
}

// policySource has any-to-any selectors, and a peer that sends from a network
// which is not routed to it: it could speak for another's.
func policySource(t *testing.T) {
	s := newScene(t)
	left, _ := s.ours()
	before := s.status(left, link.Name)
	for i, c := range []struct{ from, to netip.Addr }{
		{world.ClientIn(world.SiteB.Networks[1]), world.ClientIn(world.SiteA.Networks[0])},
		{netip.MustParseAddr("fd00:77::1"), world.ClientIn(world.SiteA.Networks[2])},
	} {
		if c.from.Is6() {
			s.must(s.ClientB.Shell(s.ctx, fmt.Sprintf("ip addr add %s/128 dev eth0 nodad", c.from)))
		}
		s.answer(s.ClientB, "-I", c.from.String(), c.to.String())
		s.dropped(left, "selector", before.Drops["selector"]+uint64(i+1))
	}
	a, _ := link.Pair()
	s.pingBoth(a)
}

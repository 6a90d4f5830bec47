package lab

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/relay"
	"causeway/test/lab/world"
)

// transferSize goes each way over a good path, badTransferSize over a bad one.
const (
	transferSize    = 200 << 20
	badTransferSize = 20 << 20
)

// TestTraffic loses nothing of its own.
func TestTraffic(t *testing.T) {
	t.Parallel()
	t.Run("strongSwan", trafficStrongSwan)
	t.Run("ours", trafficOurs)
	t.Run("bad path", trafficBadPath)
	t.Run("damaging path", trafficDamaged)
}

func trafficStrongSwan(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	d := s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	before := s.up(g)
	s.pingThousand()
	s.noDrops(g)
	s.agree(g, d, a, b)
	s.transferBoth(transferSize)
	s.sameSAs(g, before)
	s.swanUp(d, 1)
}

// noDrops wants that a gateway dropped no packet, for whatever reason.
func (s *scene) noDrops(g *gateway.Gateway) {
	s.t.Helper()
	for reason, n := range s.status(g, link.Name).Drops {
		if n != 0 {
			s.t.Errorf("%d packets were dropped: %s", n, reason)
		}
	}
}

func trafficOurs(t *testing.T) {
	s := newScene(t)
	left, right := s.ours()
	before := s.up(left)
	s.pingThousand()
	s.transferBoth(transferSize)
	s.sameSAs(left, before)
	for _, g := range []*gateway.Gateway{left, right} {
		if c := s.status(g, link.Name); c.Drops["replay"]+c.Drops["authentication"]+c.Drops["selector"] > 0 {
			t.Errorf("on a path that harms nothing packets were dropped: %v", c.Drops)
		}
	}
}

// ours starts two gateways of ours, and waits until both are up and the hosts
// know their neighbours: a new link's first IPv6 packet may take a second.
func (s *scene) ours() (left, right *gateway.Gateway) {
	s.t.Helper()
	a, b := link.Pair()
	right = s.causeway(s.GatewayB, b)
	left = s.causeway(s.GatewayA, a)
	s.up(right)
	s.up(left)
	for _, network := range a.RemoteNetworks {
		s.eventually("an answer from "+network.String(), func() error { return s.reaches(s.ClientA, world.ClientIn(network)) })
	}
	return left, right
}

// trafficBadPath loses, repeats and reorders datagrams. TCP gets through, and
// what the path repeated is what the replay windows dropped (RFC 4303 §3.4.3).
func trafficBadPath(t *testing.T) {
	s := newScene(t)

	r := s.relay(nil)
	a, b := relayedPair()
	far := s.causeway(s.GatewayB, b)
	near := s.causeway(s.GatewayA, a)
	s.up(far)
	s.up(near)
	for _, d := range []relay.Direction{relay.ToFar, relay.ToNear} {
		r.SetFaults(d, relay.Faults{Loss: 0.01, Duplicate: 0.01, Reorder: 0.02})
	}
	s.transferBoth(badTransferSize)
	s.sound(r)
	for _, at := range relayEnds(near, far) {
		s.explained(at.gateway, at.site, "repeated", func() uint64 { return r.Stats(at.from).Duplicated },
			func(status *gateway.Status) uint64 { return status.Connection(link.Name).Drops["replay"] })
		if drops := s.status(at.gateway, link.Name).Drops; drops["authentication"]+drops["selector"] > 0 {
			t.Errorf("dropped %v on a path that does not damage", drops)
		}
	}
}

// relayEnd is a gateway with a relay between it and the other.
type relayEnd struct {
	gateway *gateway.Gateway
	site    world.Site
	from    relay.Direction // of what comes to it
}

func relayEnds(near, far *gateway.Gateway) []relayEnd {
	return []relayEnd{{near, world.SiteA, relay.ToNear}, {far, world.SiteB, relay.ToFar}}
}

// sound ends the faults of a path.
func (s *scene) sound(r *relay.Relay) {
	for _, d := range []relay.Direction{relay.ToFar, relay.ToNear} {
		r.SetFaults(d, relay.Faults{})
	}
}

// explained compares a gateway's drops with what the relay repeated or damaged of
// ESP on the way to it, once nothing more comes: each is one drop, exactly, unless
// the kernel lost datagrams behind the relay, at a full socket or queue. Which ones
// it lost, nobody knows, so that each may be one of those.
func (s *scene) explained(g *gateway.Gateway, site world.Site, why string, harmed func() uint64, drops func(*gateway.Status) uint64) {
	s.t.Helper()
	s.eventually(g.Space().Role+" to explain its drops", func() error {
		want, status, lost := harmed(), s.statusOf(g), s.lostBehindRelay(site)
		lost += status.Gateway.Sockets.Drops["overflow"]
		if got := drops(status); got > want || got+lost < want || want < 20 {
			return fmt.Errorf("dropped %d of %d datagrams that were %s, with %d lost at full sockets and queues: %v", got, want, why, lost, status.Gateway.Drops)
		}
		return nil
	})
}

// lostBehindRelay is how many packets the router could not give to a site's
// gateway, whose queue was full.
func (s *scene) lostBehindRelay(site world.Site) (n uint64) {
	s.t.Helper()
	text, err := s.Router.Run(s.ctx, "cat", "/proc/net/dev")
	s.must(err)
	for line := range strings.Lines(text) {
		const sendDrops = 11 // behind the colon, netdev(5)
		if device, counts, _ := strings.Cut(line, ":"); strings.TrimSpace(device) == site.Name {
			n, err = strconv.ParseUint(strings.Fields(counts)[sendDrops], 10, 64)
			s.must(err)
			return n
		}
	}
	s.t.Fatalf("the router has no device %s:\n%s", site.Name, text)
	return 0
}

// trafficDamaged flips bits: TCP gets through, and no damage does.
func trafficDamaged(t *testing.T) {
	s := newScene(t)
	r := s.relay(nil)
	a, b := relayedPair()
	far := s.causeway(s.GatewayB, b)
	near := s.causeway(s.GatewayA, a)
	before := s.up(far)
	s.up(near)
	for _, d := range []relay.Direction{relay.ToFar, relay.ToNear} {
		r.SetFaults(d, relay.Faults{Corrupt: 0.005})
	}
	s.transferBoth(badTransferSize)
	s.sameSAs(far, before)
	s.sound(r)
	for _, at := range relayEnds(near, far) {
		// A flipped bit of the sequence number may look like a replay, one of
		// the SPI like nobody's SA.
		s.explained(at.gateway, at.site, "damaged", func() uint64 { return r.Stats(at.from).Corrupted },
			func(status *gateway.Status) uint64 {
				drops := status.Gateway.Drops
				return drops["authentication"] + drops["replay"] + drops["unknown_spi"]
			})
	}
}

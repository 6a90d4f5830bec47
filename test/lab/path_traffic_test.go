package lab

import (
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
	s.explained(near, r, relay.ToNear)
	s.explained(far, r, relay.ToFar)
}

// explained compares a gateway's drops with what the relay repeated on the way
// to it. Some of that was IKE, and some may have found a socket full. The path is
// asked last: it may still repeat something.
func (s *scene) explained(g *gateway.Gateway, r *relay.Relay, d relay.Direction) {
	s.t.Helper()
	drops, full := s.status(g, link.Name).Drops, s.statusOf(g).Gateway.Sockets.Drops["overflow"]
	path := r.Stats(d)
	if replay := drops["replay"]; replay > path.Duplicated || (replay+full)*100 < path.Duplicated*95 || path.Duplicated < 50 {
		s.t.Errorf("dropped %v, and %d at full sockets; the path repeated %d datagrams", drops, full, path.Duplicated)
	}
	if drops["authentication"] > 0 || drops["selector"] > 0 {
		s.t.Errorf("dropped %v on a path that does not damage", drops)
	}
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
	for g, path := range map[*gateway.Gateway]relay.Stats{near: r.Stats(relay.ToNear), far: r.Stats(relay.ToFar)} {
		status, err := g.Status(s.ctx)
		s.must(err)
		// A flipped bit of the sequence number may look like a replay, one of
		// the SPI like nobody's SA.
		drops := status.Gateway.Drops
		dropped := drops["authentication"] + drops["replay"] + drops["unknown_spi"]
		if dropped > path.Corrupted || dropped*100 < path.Corrupted*95 || path.Corrupted < 20 {
			t.Errorf("dropped %v; the path damaged %d datagrams", drops, path.Corrupted)
		}
	}
}

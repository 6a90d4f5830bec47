package lab

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/relay"
	"causeway/test/lab/world"
)

const (
	// lossPercent is lost in each direction during the handshake.
	lossPercent = 20
	// repeatsTime is what strongSwan's repeats of one request may take: 4, 11, 24,
	// 47 and 89 s after the first.
	repeatsTime = 100 * time.Second
	// luckTime is for all but the last of them: that one is not lost.
	luckTime = 60 * time.Second
)

// TestHandshakeLoss loses one datagram in five while the tunnel comes up: it
// comes up all the same, and exactly once (RFC 7296 §2.1).
func TestHandshakeLoss(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		t.Run(fmt.Sprintf("initiator/%d", i), func(t *testing.T) { lossy(t, true) })
		t.Run(fmt.Sprintf("responder/%d", i), func(t *testing.T) { lossy(t, false) })
		t.Run(fmt.Sprintf("both start/%d", i), lossyBoth)
	}
	t.Run("repeated and reordered", disorderly)
}

// lossy has strongSwan as the peer.
func lossy(t *testing.T, initiator bool) {
	s := newScene(t)
	s.must(s.Lose(s.ctx, lossPercent))
	a, b := link.Pair()
	a.Start, b.Start = initiator, !initiator
	d := s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	s.throughLoss(g)
	c := s.up(g)
	// strongSwan may not have the answer yet that made us up. It asks for it with
	// ever longer pauses, and answers no request before: the loss goes on, but not
	// until luck ends.
	s.patience = repeatsTime
	ends := time.AfterFunc(luckTime, func() { _ = s.Lose(s.ctx, 0) }) // what goes on is seen
	t.Cleanup(func() { ends.Stop() })
	swan := s.swanUp(d, 1)
	if ends.Stop() {
		s.must(s.Lose(s.ctx, 0))
	}
	s.pingBoth(a)
	if after := s.up(g); len(after.Children) != 1 || after.IKE.SPIi != c.IKE.SPIi || after.Children[0].SPIIn != c.Children[0].SPIIn {
		t.Errorf("the SAs are %+v with %+v; when it came up they were %+v with %+v", after.IKE, after.Children, c.IKE, c.Children)
	}
	if after := s.swanUp(d, 1); after.SPIi != swan.SPIi {
		t.Errorf("strongSwan has the IKE SA %s, and had %s", after.SPIi, swan.SPIi)
	}
}

// throughLoss waits until a gateway is up, for which both IKE_SA_INIT and IKE_AUTH
// may have to be repeated: luck may take long.
func (s *scene) throughLoss(g *gateway.Gateway) {
	s.t.Helper()
	s.must(world.Eventually(s.ctx, "the connection to be up", func() error {
		if c, up := s.statusOf(g).Up(link.Name); !up {
			return errors.New(describe(c))
		}
		return nil
	}))
}

// lossyBoth has our gateway on both sides, and both begin: one of the two IKE
// SAs stays.
func lossyBoth(t *testing.T) {
	s := newScene(t)
	s.must(s.Lose(s.ctx, lossPercent))
	a, b := link.Pair()
	b.Start = true
	left, right := s.causeway(s.GatewayA, a), s.causeway(s.GatewayB, b)
	s.throughLoss(left)
	s.throughLoss(right)
	s.must(s.Lose(s.ctx, 0))
	s.eventually("the same single pair of SAs on both sides", func() error {
		l, r := s.status(left, link.Name), s.status(right, link.Name)
		if l.IKE == nil || r.IKE == nil || len(l.Children) != 1 || len(r.Children) != 1 ||
			l.IKE.SPIi != r.IKE.SPIi || l.IKE.SPIr != r.IKE.SPIr ||
			l.Children[0].SPIIn != r.Children[0].SPIOut || l.Children[0].SPIOut != r.Children[0].SPIIn {
			return fmt.Errorf("A has %+v with %+v, B has %+v with %+v", l.IKE, l.Children, r.IKE, r.Children)
		}
		return nil
	})
	s.pingBoth(a)
}

// disorderly repeats half of the datagrams and lets a third be overtaken,
// besides losing some: a repeated request gets the same answer and does nothing
// twice.
func disorderly(t *testing.T) {
	s := newScene(t)
	s.patience = repeatsTime
	r := s.relay(nil)
	for _, d := range []relay.Direction{relay.ToFar, relay.ToNear} {
		r.SetFaults(d, relay.Faults{Loss: 0.1, Duplicate: 0.5, Reorder: 0.3, Hold: 100 * time.Millisecond})
	}
	a, b := relayedPair()
	d := s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	before := s.up(g)
	s.swanUp(d, 1)
	s.must(g.RekeyChild(s.ctx))
	s.eventually("the new Child SA alone", func() error {
		c := s.status(g, link.Name)
		if len(c.Children) != 1 || c.Children[0].SPIIn == before.Children[0].SPIIn {
			return fmt.Errorf("the Child SAs are %+v", c.Children)
		}
		return nil
	})
	r.SetFaults(relay.ToFar, relay.Faults{})
	r.SetFaults(relay.ToNear, relay.Faults{})
	s.pingBoth(a)
	s.sameIKE(g, before)
	s.swanUp(d, 1)
}

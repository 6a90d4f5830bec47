package lab

import (
	"fmt"
	"testing"
	"time"

	"causeway/test/lab/link"
)

// TestIKEv1StrongSwanDies: strongSwan is killed, and DPD notices (RFC 3706).
// Started again it forgot everything, and the tunnel comes back by itself,
// whoever begins.
func TestIKEv1StrongSwanDies(t *testing.T) {
	for _, begins := range []string{"we begin", "it begins"} {
		t.Run(begins, func(t *testing.T) {
			s := newScene(t)
			a := pairv1()
			a.DPD = 2 * time.Second
			a.Start = begins == "we begin"
			b := a.Peer()
			g, d := s.joined(a, b)
			before := s.status(g, link.Name)
			d.Kill()
			s.patience = 2 * time.Minute
			s.failure(g, link.Name, "liveness_timeout")
			s.must(s.bounded(d.Start))
			s.replaced(g, before)
			s.pingBoth(a)
			s.agree(g, d, a, b)
		})
	}
}

// TestIKEv1WeDie: our gateway is killed and started again. INITIAL-CONTACT takes
// the old SAs away at strongSwan, also if it is the one that begins.
func TestIKEv1WeDie(t *testing.T) {
	for _, begins := range []string{"we begin", "it begins"} {
		t.Run(begins, func(t *testing.T) {
			s := newScene(t)
			a := pairv1()
			a.Start = begins == "we begin"
			b := a.Peer()
			b.DPD = 2 * time.Second
			g, d := s.joined(a, b)
			before := s.swanUp(d, 1)
			g.Kill()
			s.must(s.bounded(g.Start))
			s.up(g)
			s.pingBoth(a)
			s.agree(g, d, a, b)
			if after := s.swanUp(d, 1); after.SPIi == before.SPIi {
				t.Error("strongSwan has the ISAKMP SA of the gateway that was killed")
			}
		})
	}
}

// TestIKEv1Restart: either end is stopped and started as an administrator does,
// which deletes its SAs at the other.
func TestIKEv1Restart(t *testing.T) {
	for _, begins := range []string{"we begin", "it begins"} {
		t.Run(begins, func(t *testing.T) {
			s := newScene(t)
			a := pairv1()
			a.Start = begins == "we begin"
			b := a.Peer()
			g, d := s.joined(a, b)
			before := s.status(g, link.Name)
			s.must(s.bounded(d.Stop))
			s.eventually("no SA of ours", func() error {
				if c := s.status(g, link.Name); len(c.Children) > 0 {
					return fmt.Errorf("%s with %+v", describe(c), c.Children)
				}
				return nil
			})
			s.must(s.bounded(d.Start))
			s.replaced(g, before)
			s.pingBoth(a)
			s.agree(g, d, a, b)
			s.must(s.bounded(g.Stop))
			s.gone(d)
			s.must(s.bounded(g.Start))
			if !a.Start { // what the peer deleted strongSwan does not begin again
				s.command(g, 0, "up", link.Name)
			}
			s.up(g)
			s.pingBoth(a)
			s.agree(g, d, a, b)
		})
	}
}

// TestIKEv1PeerTerminates: strongSwan deletes its SAs; a connection that is
// wanted always comes back.
func TestIKEv1PeerTerminates(t *testing.T) {
	s := newScene(t)
	a := pairv1()
	b := a.Peer()
	g, d := s.joined(a, b)
	before := s.status(g, link.Name)
	s.must(d.Terminate(s.ctx))
	s.replaced(g, before)
	s.pingBoth(a)
	s.agree(g, d, a, b)
}

package lab

import (
	"fmt"
	"testing"
	"time"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestIKEv1StrongSwanDies: strongSwan is killed, and DPD notices (RFC 3706).
// Started again it forgot everything, and the tunnel comes back by itself,
// whoever begins.
func TestIKEv1StrongSwanDies(t *testing.T) {
	t.Parallel()
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
			s.idly(func() { s.failure(g, link.Name, "liveness_timeout") })
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
	t.Parallel()
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
	t.Parallel()
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

// TestIKEv1Idle: a connection that carried nothing for a while is taken down, as
// Azure's policy-based gateways do it, whoever began; DPD goes on until then and
// does not count. Traffic brings it up again.
func TestIKEv1Idle(t *testing.T) {
	t.Parallel()
	for _, begins := range []string{"we begin", "it begins"} {
		t.Run(begins, func(t *testing.T) {
			s := newScene(t)
			a := pairv1()
			b := a.Peer()
			a.DPD, b.DPD = 2*time.Second, 2*time.Second
			a.Start, a.OnTraffic = false, begins == "we begin"
			b.Start = false
			a.Keys = "idle: 10s"
			g := s.causeway(s.GatewayA, a)
			d := s.strongswan(s.GatewayB, b)
			begin := func() {
				if a.OnTraffic {
					s.eventually("an answer through the tunnel", func() error { return s.reaches(s.ClientA, world.ClientIn(a.RemoteNetworks[0])) })
				} else {
					s.must(s.bounded(d.Initiate))
				}
			}
			begin()
			before := s.up(g)
			s.pingBoth(a)
			s.idly(func() {
				s.eventually("no SA at either end", func() error {
					c := s.status(g, link.Name)
					list, err := d.SAs(s.ctx)
					if err == nil && (c.IKE != nil || len(c.Children) > 0 || len(list) > 0) {
						err = fmt.Errorf("%s, and strongSwan has %+v", describe(c), list)
					}
					return err
				})
			})
			if e := s.status(g, link.Name).LastError; e != nil {
				t.Errorf("that it is idle counts as an error: %+v", e)
			}
			begin()
			s.replaced(g, before)
			s.pingBoth(a)
		})
	}
}

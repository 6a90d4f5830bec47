package lab

import (
	"errors"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/libreswan"
	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/world"
)

// resuming is the two ends of a tunnel that resume sessions.
func resuming() (a, b link.End) {
	a, _ = link.Pair()
	a = networks(a, 0)
	a.DPD = 2 * time.Second
	b = a.Peer()
	a.IKEKeys = []string{"session_resumption: true"}
	b.IKEKeys = a.IKEKeys
	return a, b
}

// lost cuts the path until a gateway gave the tunnel up, and mends it.
func (s *scene) lost(g *gateway.Gateway) {
	s.t.Helper()
	s.must(s.Lose(s.ctx, 100))
	s.givenUp(g)
	s.must(s.Lose(s.ctx, 0))
}

// givenUp waits until a gateway gave the tunnel up.
func (s *scene) givenUp(g *gateway.Gateway) {
	s.t.Helper()
	s.idly(func() {
		s.eventually("the end of the tunnel", func() error {
			if c := s.status(g, link.Name); c.State == "up" {
				return errors.New(describe(c))
			}
			return nil
		})
	})
}

// resumed waits until the tunnel is up in another IKE SA than before, which was, or
// was not, resumed.
func (s *scene) resumed(g *gateway.Gateway, before *gateway.Connection, want bool) {
	s.t.Helper()
	s.eventually("another IKE SA", func() error {
		c := s.status(g, link.Name)
		if c.State != "up" || c.IKE == nil || c.IKE.SPIi == before.IKE.SPIi {
			return errors.New(describe(c))
		}
		return nil
	})
	if c := s.status(g, link.Name); c.IKE.Resumed != want {
		s.t.Fatalf("resumed: %v, want %v", c.IKE.Resumed, want)
	}
}

// TestResume: the path between two of our gateways goes, both give up, and the tunnel
// comes back with a ticket (RFC 5723); once the one that gave it was restarted, with
// a whole exchange.
func TestResume(t *testing.T) {
	s := newScene(t)
	a, b := resuming()
	answers := s.causeway(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	s.up(g)
	s.pingBoth(a)
	before := s.status(g, link.Name)
	s.lost(g)
	s.resumed(g, before, true)
	s.pingBoth(a)
	s.eventually("the log of the other end", func() error { return inLog(answers.Log(), "IKE SA resumed") })

	before = s.status(g, link.Name)
	s.must(s.Lose(s.ctx, 100))
	answers.Kill()
	s.must(s.bounded(answers.Start))
	s.givenUp(g)
	s.must(s.Lose(s.ctx, 0))
	s.resumed(g, before, false)
	s.pingBoth(a)
}

// TestLibreswanResumes: libreswan 5.2 resumes our session, and we that of libreswan.
func TestLibreswanResumes(t *testing.T) {
	requireRoot(t, roots.Libreswan)
	s, guest := newMachineScene(t)
	beginners(s, func(s *scene, a link.End) {
		a.DPD, a.IKEKeys = 2*time.Second, []string{"session_resumption: true"}
		var d *libreswan.Daemon
		g := s.joinForeign(a, func(peer link.End) (f foreign, err error) {
			peer.PlutoKeys = []string{"session-resumption=yes"}
			d, err = libreswan.At(guest.In(roots.Libreswan), peer)
			return d, err
		})
		before := s.status(g, link.Name)
		if a.Start {
			s.lost(g)
			// libreswan's AUTH is not that of the RFC: it refuses ours once.
			s.resumed(g, before, false)
			before = s.status(g, link.Name)
			s.lost(g)
		} else {
			s.must(s.bounded(d.Suspend))
			s.must(s.bounded(d.Initiate))
		}
		s.resumed(g, before, true)
		s.eventually("an answer through the tunnel", func() error { return s.reaches(s.ClientA, world.ClientIn(a.RemoteNetworks[0])) })
	})
}

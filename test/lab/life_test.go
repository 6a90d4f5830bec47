package lab

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// TestStrongSwanDies: strongSwan is killed and started again, and forgot
// everything. Our side finds out by itself, whoever begins afterwards.
func TestStrongSwanDies(t *testing.T) {
	for _, begins := range []string{"we begin", "it begins"} {
		t.Run(begins, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a.DPD = 2 * time.Second
			a.Start = begins == "we begin"
			b := a.Peer()
			g, d := s.joined(a, b)
			before := s.status(g, link.Name)
			d.Kill()
			s.must(s.bounded(d.Start))
			// A liveness check is given up after the whole schedule of
			// retransmissions, of nearly two minutes.
			s.patience = 150 * time.Second
			s.replaced(g, before)
			s.patience = lookTimeout
			s.pingBoth(a)
			s.agree(g, d, a, b)
		})
	}
}

// TestWeDie: our gateway is killed and started again. It takes over the device
// and the routes, and INITIAL_CONTACT takes the old SAs away at strongSwan.
func TestWeDie(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	g, d := s.joined(a, b)
	before := s.swanUp(d, 1)
	g.Kill()
	s.must(s.bounded(g.Start))
	s.up(g)
	s.pingBoth(a)
	s.agree(g, d, a, b)
	if routes := s.routes(); strings.Count(routes, "dev cw0") != 2 {
		t.Errorf("after the restart the routes are\n%s", routes)
	}
	if after := s.swanUp(d, 1); after.SPIi == before.SPIi {
		t.Error("strongSwan has the IKE SA of the gateway that was killed")
	}
}

// TestTerminate: SIGTERM deletes the SAs at the peer and takes everything down.
func TestTerminate(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	g, d := s.joined(a, b)
	if routes := s.routes(); !strings.Contains(routes, "10.2.0.0/24 dev cw0") || !strings.Contains(routes, "fd00:2::/64 dev cw0") {
		t.Errorf("while the connection is up the routes are\n%s", routes)
	}
	s.must(s.bounded(g.Stop))
	s.gone(d)
	if out, err := s.GatewayA.Run(s.ctx, "ip", "link", "show", "cw0"); err == nil {
		t.Errorf("the device is left:\n%s", out)
	}
	if routes := s.routes(); routes != "" {
		t.Errorf("routes are left:\n%s", routes)
	}
}

// routeProtocol marks our gateway's routes in the kernel.
const routeProtocol = "197"

// routes are those of our gateway at site A.
func (s *scene) routes() string {
	s.t.Helper()
	var all string
	for _, family := range []string{"-4", "-6"} {
		out, err := s.GatewayA.Run(s.ctx, "ip", family, "route", "show", "proto", routeProtocol)
		s.must(err)
		all += out
	}
	return all
}

// TestPeerTerminates: strongSwan deletes the IKE SA; a connection that is
// wanted always comes back.
func TestPeerTerminates(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	g, d := s.joined(a, b)
	before := s.status(g, link.Name)
	s.must(d.Terminate(s.ctx))
	s.replaced(g, before)
	s.pingBoth(a)
	s.agree(g, d, a, b)
}

// TestBothStart: both ends begin at once, and one pair of SAs remains.
func TestBothStart(t *testing.T) {
	t.Run("with strongSwan", func(t *testing.T) {
		s := newScene(t)
		a, b := link.Pair()
		b.Start = true
		g, err := gateway.New(program, s.GatewayA, s.Dir, a)
		s.must(err)
		d, err := strongswan.New(s.GatewayB, s.Dir, b)
		s.must(err)
		began := make(chan error, 1)
		go func() { began <- s.bounded(d.Start) }()
		s.must(errors.Join(s.bounded(g.Start), <-began))
		s.up(g)
		s.pingBoth(a)
		s.agree(g, d, a, b)
	})
	t.Run("ours", func(t *testing.T) {
		s := newScene(t)
		a, b := link.Pair()
		b.Start = true
		g, err := gateway.New(program, s.GatewayA, s.Dir, a)
		s.must(err)
		h, err := gateway.New(program, s.GatewayB, s.Dir, b)
		s.must(err)
		began := make(chan error, 1)
		go func() { began <- s.bounded(h.Start) }()
		s.must(errors.Join(s.bounded(g.Start), <-began))
		s.up(g)
		s.pingBoth(a)
		s.agreeOurs(g, h)
	})
}

// TestOurs joins two of our gateways, with what strongSwan's userspace ESP
// cannot do: extended sequence numbers.
func TestOurs(t *testing.T) {
	for name, shape := range map[string]func(link.End) link.End{
		"4in4": func(e link.End) link.End { return networks(e, 0) },
		"6in4": func(e link.End) link.End { return networks(e, 2) },
		"4in6": func(e link.End) link.End { return outer6(networks(e, 0)) },
		"defaults": func(e link.End) link.End {
			e.IKE, e.ESP, e.LocalIdentity, e.RemoteIdentity = nil, nil, "", ""
			return e
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a.ESP = []string{"aes256gcm16-esn"}
			a = shape(a)
			h := s.causeway(s.GatewayB, a.Peer())
			g := s.causeway(s.GatewayA, a)
			s.up(g)
			s.pingBoth(a)
			s.agreeOurs(g, h)
			if suite := s.status(g, link.Name).Children[0].Suite; suite != "aes256gcm16-esn" {
				t.Errorf("the Child SA's suite is %s", suite)
			}
			before := s.status(g, link.Name)
			if a.LocalNetworks[0] == world.SiteA.Networks[0] {
				s.under(func() {
					_, err := h.Command(s.ctx, "rekey", link.Name)
					s.must(err)
					s.replaced(g, before)
				})
				s.agreeOurs(g, h)
			}
		})
	}
}

// agreeOurs waits until two of our gateways have the same single pair of SAs.
func (s *scene) agreeOurs(g, h *gateway.Gateway) {
	s.t.Helper()
	s.eventually("one pair of SAs on both sides", func() error {
		a, b := s.status(g, link.Name), s.status(h, link.Name)
		if a.State != "up" || b.State != "up" || len(a.Children) != 1 || len(b.Children) != 1 {
			return fmt.Errorf("a: %s, %d Child SAs; b: %s, %d", describe(a), len(a.Children), describe(b), len(b.Children))
		}
		x, y := a.Children[0], b.Children[0]
		if a.IKE.SPIi != b.IKE.SPIi || a.IKE.SPIr != b.IKE.SPIr || a.IKE.Role == b.IKE.Role || a.IKE.Suite != b.IKE.Suite ||
			x.SPIIn != y.SPIOut || x.SPIOut != y.SPIIn || x.Suite != y.Suite || x.PacketsIn == 0 || x.PacketsOut == 0 {
			return fmt.Errorf("a: %+v %+v; b: %+v %+v", a.IKE, x, b.IKE, y)
		}
		return nil
	})
}

// gone waits until strongSwan has no SA.
func (s *scene) gone(d *strongswan.Daemon) {
	s.t.Helper()
	s.eventually("no SA at strongSwan", func() error {
		list, err := d.SAs(s.ctx)
		if err == nil && len(list) > 0 {
			err = fmt.Errorf("it has %+v", list)
		}
		return err
	})
}

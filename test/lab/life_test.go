package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// TestStrongSwanDies: strongSwan is killed and started again, and forgot
// everything; it says nothing to what it is asked about then. Our side finds out by itself
// within the liveness interval, whoever begins afterwards.
func TestStrongSwanDies(t *testing.T) {
	t.Parallel()
	for _, begins := range []string{"we begin", "it begins"} {
		t.Run(begins, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a.DPD = 8 * time.Second
			a.Start = begins == "we begin"
			b := a.Peer()
			g, d := s.joined(a, b)
			before := s.status(g, link.Name)
			d.Kill()
			lost := time.Now()
			s.must(s.bounded(d.Start))
			var took time.Duration
			s.idly(func() {
				s.replaced(g, before)
				took = time.Since(lost).Round(10 * time.Millisecond)
			})
			t.Logf("up again %v after it was killed", took)
			if took > a.DPD+2*time.Second {
				t.Errorf("that was noticed after %v, the liveness interval is %v", took, a.DPD)
			}
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
	t.Parallel()
	t.Run("with strongSwan", func(t *testing.T) {
		s := newScene(t)
		a, b := link.Pair()
		a.Start = false
		g := s.causeway(s.GatewayA, a)
		d := s.strongswan(s.GatewayB, b)
		other := make(chan error, 1)
		go func() { other <- d.Initiate(s.ctx) }()
		s.command(g, 0, "up", link.Name)
		<-other // strongSwan may give up its own attempt for ours
		s.onePair(g, d)
		s.pingBoth(a)
		s.agree(g, d, a, b)
	})
	// strongSwan's first message finds nobody. It repeats it after four
	// seconds, when our gateway has brought the tunnel up.
	t.Run("strongSwan earlier", func(t *testing.T) {
		s := newScene(t)
		a, b := link.Pair()
		b.Start = true
		d := s.strongswan(s.GatewayB, b)
		g := s.causeway(s.GatewayA, a)
		s.up(g)
		s.eventually("the second IKE SA of strongSwan", func() error {
			text, err := os.ReadFile(d.Log())
			if err == nil && strings.Count(string(text), "state change: CONNECTING => ESTABLISHED") < 2 {
				err = errors.New(world.Tail(d.Log(), 2))
			}
			return err
		})
		s.onePair(g, d)
		s.pingBoth(a)
		s.agree(g, d, a, b)
	})
	t.Run("ours", func(t *testing.T) {
		s := newScene(t)
		a, b := link.Pair()
		a.Start = false
		g := s.causeway(s.GatewayA, a)
		h := s.causeway(s.GatewayB, b)
		other := make(chan error, 1)
		go func() {
			_, err := h.Command(s.ctx, "up", link.Name)
			other <- err
		}()
		s.command(g, 0, "up", link.Name)
		s.must(<-other)
		s.oneOfOurs(g)
		s.oneOfOurs(h)
		s.agreeOurs(g, h, a)
	})
}

// onePair waits until both sides have one pair of SAs.
func (s *scene) onePair(g *gateway.Gateway, d *strongswan.Daemon) {
	s.t.Helper()
	s.swanUp(d, 1)
	s.oneOfOurs(g)
}

func (s *scene) oneOfOurs(g *gateway.Gateway) {
	s.t.Helper()
	s.eventually("one Child SA of ours", func() error {
		if c := s.status(g, link.Name); len(c.Children) != 1 {
			return fmt.Errorf("it has %+v", c.Children)
		}
		return nil
	})
}

// TestOurs joins two of our gateways, with what strongSwan's userspace ESP
// cannot do: extended sequence numbers.
func TestOurs(t *testing.T) {
	t.Parallel()
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
			s.agreeOurs(g, h, a)
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
				s.agreeOurs(g, h, a)
			}
		})
	}
}

// agreeOurs waits until two of our gateways have the same single pair of SAs,
// and pings through it.
func (s *scene) agreeOurs(g, h *gateway.Gateway, end link.End) {
	s.t.Helper()
	s.eventually("one pair of SAs on both sides", func() error {
		a, b := s.status(g, link.Name), s.status(h, link.Name)
		if a.State != "up" || b.State != "up" || len(a.Children) != 1 || len(b.Children) != 1 {
			return fmt.Errorf("a: %s, %d Child SAs; b: %s, %d", describe(a), len(a.Children), describe(b), len(b.Children))
		}
		x, y := a.Children[0], b.Children[0]
		if a.IKE.SPIi != b.IKE.SPIi || a.IKE.SPIr != b.IKE.SPIr || a.IKE.Role == b.IKE.Role || a.IKE.Suite != b.IKE.Suite ||
			x.SPIIn != y.SPIOut || x.SPIOut != y.SPIIn || x.Suite != y.Suite {
			return fmt.Errorf("a: %+v %+v; b: %+v %+v", a.IKE, x, b.IKE, y)
		}
		return nil
	})
	s.pingBoth(end)
	for _, gateway := range []*gateway.Gateway{g, h} {
		c := s.status(gateway, link.Name)
		if len(c.Children) != 1 || c.Children[0].PacketsIn == 0 || c.Children[0].PacketsOut == 0 {
			s.t.Errorf("after pings both ways the Child SAs are %+v", c.Children)
		}
	}
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

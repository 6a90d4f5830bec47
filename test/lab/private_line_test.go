package lab

import (
	"fmt"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestPrivateLine has a private line between the gateways beside the tunnel, as
// ExpressRoute is beside a site-to-site connection.
func TestPrivateLine(t *testing.T) {
	t.Run("link down", func(t *testing.T) {
		// The link is looked at every 50 ms.
		privateLine(newScene(t), "ip link set line down", "ip link set line up")
	})
	t.Run("silent", func(t *testing.T) {
		// While packets pass there are probes every 10 ms, of which three go unanswered
		// for 60 ms.
		// Nothing else runs beside it.
		require(t)
		privateLine(makeScene(t), `nft add table inet cut
nft add chain inet cut in '{ type filter hook prerouting priority raw; }'
nft add rule inet cut in iifname line drop`, "nft delete table inet cut")
	})
}

const (
	// Of 50 echoes a second a cut may cost lostByCut; where others take the
	// processors, those of the second in which a line has to be left.
	lostByCut, lostBySlowCut = 6, 50
	// cutsAtMost is how often the line is cut until a cut costs no more. Three
	// probes fail within 60 ms: who is kept from the processor for as long sees a
	// silence that there was not. One cut of a quiet machine may cost more, two
	// are no accident.
	cutsAtMost      = 5
	accidentsAtMost = 1
)

// privateLine cuts the line at B and mends it, under pings that may lose few by
// the cut, and none by the repair.
func privateLine(s *scene, cut, mend string) {
	t := s.t
	s.must(s.GatewayA.Shell(s.ctx, fmt.Sprintf("ip link add line type veth peer name line netns %s", s.GatewayB.Name)))
	for _, end := range []struct {
		space *world.Namespace
		own   string
	}{{s.GatewayA, "192.168.9.1"}, {s.GatewayB, "192.168.9.2"}} {
		s.must(end.space.Shell(s.ctx, "ip addr add "+end.own+"/30 dev line\nip link set line up"))
	}
	a, b := link.Pair()
	a.LocalNetworks, a.RemoteNetworks = a.LocalNetworks[:1], a.RemoteNetworks[:1]
	b.LocalNetworks, b.RemoteNetworks = b.LocalNetworks[:1], b.RemoteNetworks[:1]
	a.Keys = "direct: {interface: line, next_hop: 192.168.9.2}"
	b.Keys = "direct: {interface: line, next_hop: 192.168.9.1}"
	right, left := s.causeway(s.GatewayB, b), s.causeway(s.GatewayA, a)
	s.up(left)
	s.up(right)
	s.paths(left, "up", "line")
	s.paths(right, "up", "line")

	accidents := 0
	for range cutsAtMost {
		lost, others := cutLine(s, left, right, cut, mend)
		t.Logf("the cut cost %d echoes; others used %.0f %% of a processor", lost, 100*others)
		if lost <= lostByCut {
			return
		}
		if others < quietPart {
			accidents++
		}
		if accidents > accidentsAtMost {
			t.Fatalf("%d cuts cost more than %d echoes, though nobody else wanted the processors", accidents, lostByCut)
		}
	}
	if accidents > 0 {
		t.Errorf("no cut of %d cost as little as %d echoes, and in %d nobody else wanted the processors", cutsAtMost, lostByCut, accidents)
	} else {
		t.Logf("not judged: others wanted the processors during each of %d cuts", cutsAtMost)
	}
}

// cutLine cuts the line and mends it. It tells how many echoes the cut cost and
// what others took of the processors meanwhile.
func cutLine(s *scene, left, right *gateway.Gateway, cut, mend string) (lost int, others float64) {
	t := s.t
	there := world.ClientIn(world.SiteB.Networks[0])
	s.ping(s.ClientA, there, 25)
	carried := s.status(left, link.Name).BytesOut
	failing := s.stream(s.ClientA, there)
	s.ping(s.ClientA, there, 25)
	if n := s.status(left, link.Name).BytesOut; n != carried {
		t.Errorf("the tunnel carried %d bytes although the line works", n-carried)
	}
	before := usedProcessors(t)
	s.must(s.GatewayB.Shell(s.ctx, cut))
	s.paths(left, "down", "cw0")
	s.paths(right, "down", "cw0")
	others = usedProcessors(t).others(before)
	s.ping(s.ClientA, there, 50)
	lost = failing.finishMissing(lostBySlowCut)
	if n := s.status(left, link.Name).BytesOut; n == carried {
		t.Error("the tunnel carried nothing although the line is cut")
	}

	back := s.stream(s.ClientA, there)
	s.ping(s.ClientA, there, 10)
	s.must(s.GatewayB.Shell(s.ctx, mend))
	s.paths(left, "up", "line")
	s.paths(right, "up", "line")
	s.ping(s.ClientA, there, 50)
	back.finish()
	return lost, others
}

// paths waits until the gateway's private line has that state and the route to
// the other site leads to that device.
func (s *scene) paths(g *gateway.Gateway, state, device string) {
	s.t.Helper()
	s.eventually("the private line to be "+state, func() error {
		c := s.status(g, link.Name)
		if len(c.Paths) != 1 || c.Paths[0].State != state {
			return fmt.Errorf("paths %+v", c.Paths)
		}
		return nil
	})
	space, to := s.GatewayA, world.ClientIn(world.SiteB.Networks[0])
	if g.Space() == s.GatewayB {
		space, to = s.GatewayB, world.ClientIn(world.SiteA.Networks[0])
	}
	s.eventually("the route to lead to "+device, func() error {
		out, err := space.Run(s.ctx, "ip", "route", "get", to.String())
		if err == nil && !strings.Contains(out, "dev "+device+" ") {
			err = fmt.Errorf("%s", out)
		}
		return err
	})
}

package lab

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestPrivateLine has a private line between the gateways beside the tunnel, as
// ExpressRoute is beside a site-to-site connection. It falls silent.
func TestPrivateLine(t *testing.T) {
	// While packets pass there are probes every 10 ms, of which three go unanswered
	// for 60 ms.
	// Nothing else runs beside it.
	require(t)
	privateLine(makeScene(t), true, `nft add table inet cut
nft add chain inet cut in '{ type filter hook prerouting priority raw; }'
nft add rule inet cut in iifname line drop`, "nft delete table inet cut")
}

// TestPrivateLineDown is TestPrivateLine with a line that says itself that it is down: the
// link is looked at every 50 ms.
func TestPrivateLineDown(t *testing.T) {
	privateLine(newScene(t), false, "ip link set line down", "ip link set line up")
}

const (
	// Of 50 echoes a second a cut may cost lostByCut; where others take the
	// processors, those of some seconds.
	lostByCut, lostBySlowCut = 6, 250
	// cutsAtMost is how often the line is cut until a cut costs no more. Three
	// probes fail within 60 ms: who is kept from the processor for as long sees a
	// silence that there was not. One cut of a quiet machine may cost more, two
	// are no accident.
	cutsAtMost      = 5
	accidentsAtMost = 1
)

// privateLine cuts the line at B and mends it, under pings that may lose few by
// the cut, and none by the repair. What a cut costs is judged where it is alone.
func privateLine(s *scene, alone bool, cut, mend string) {
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
		lost, disturbed := cutLine(s, left, right, cut, mend)
		t.Logf("the cut cost %d echoes; %v", lost, disturbed)
		if lost <= lostByCut {
			return
		}
		if alone && disturbed.quiet() {
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
// what kept the processors from the gateways meanwhile.
func cutLine(s *scene, left, right *gateway.Gateway, cut, mend string) (lost int, disturbed disturbance) {
	t := s.t
	there := world.ClientIn(world.SiteB.Networks[0])
	s.ping(s.ClientA, there, 25)
	failing := s.stream(s.ClientA, there)
	carried := s.unused(left, link.Name, func() {
		s.paths(left, "up", "line")
		s.ping(s.ClientA, there, 25)
	})
	disturbing := watchDisturbance(t)
	s.must(s.GatewayB.Shell(s.ctx, cut))
	s.paths(left, "down", "cw0")
	s.paths(right, "down", "cw0")
	disturbed = disturbing()
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
	return lost, disturbed
}

// unused has packets pass while what is preferred to a connection's tunnel works, and
// wants that the tunnel carries none of them. It tells how much the tunnel has carried
// until then. A gateway that was kept from the processor may take the answers to its
// probes for lost, which it tells: then it is right to use the tunnel, and the packets
// pass again.
func (s *scene) unused(g *gateway.Gateway, name string, pass func()) (carried uint64) {
	s.t.Helper()
	failures := func() int {
		log, err := os.ReadFile(g.Log())
		s.must(err)
		return bytes.Count(log, []byte(`"path_down"`))
	}
	for range cutsAtMost {
		before := failures()
		pass()
		carried = s.status(g, name).BytesOut
		pass()
		more := s.status(g, name).BytesOut - carried
		if more == 0 {
			return carried
		}
		s.t.Logf("the tunnel of %s carried %d bytes", name, more)
		time.Sleep(time.Second) // the event comes after the change
		if failures() == before {
			break
		}
	}
	s.t.Errorf("the tunnel of %s carries packets although there is a better way", name)
	return s.status(g, name).BytesOut
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

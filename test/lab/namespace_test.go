package lab

import (
	"fmt"
	"strings"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestNamespace has gateway A's device in the client's network namespace, while
// its sockets stay in the gateway's: the client reaches the peer's site by itself,
// and what it sends cannot leave but through the tunnel.
func TestNamespace(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.InterfaceKeys = "namespace: " + s.ClientA.Name
	s.must(s.ClientA.Shell(s.ctx, "echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding"))
	right, left := s.causeway(s.GatewayB, b), s.causeway(s.GatewayA, a)
	s.up(right)
	s.up(left)
	s.pingBoth(a)
	s.transferBoth(badTransferSize)
	s.superpackets(s.ClientA, 60000)
	s.superpackets(s.GatewayB, 65536) // which forwards
	if out, err := s.GatewayA.Run(s.ctx, "ip", "link", "show", "cw0"); err == nil {
		t.Errorf("the device is with the sockets: %s", out)
	}
	to := world.ClientIn(world.SiteB.Networks[0]).String()
	s.routed(to, "dev cw0 ")
	s.must(s.bounded(left.Stop))
	s.routed(to, "via "+world.GatewayIn(world.SiteA.Networks[0]).String())
	if out, err := s.ClientA.Run(s.ctx, "ip", "link", "show", "cw0"); err == nil {
		t.Errorf("the device is still there: %s", out)
	}
	s.adopts(left, to)
}

// superpackets wants the bound of superpackets of the device in a namespace.
func (s *scene) superpackets(of *world.Namespace, want int) {
	s.t.Helper()
	out, err := of.Run(s.ctx, "ip", "-details", "link", "show", "cw0")
	if want := fmt.Sprintf(" gso_max_size %d ", want); err != nil || !strings.Contains(out, want) {
		s.t.Errorf("%s: want%sin %v %s", of.Role, want, err, out)
	}
}

// adopts ends a gateway without its leave: nothing for the peer leaves in the
// clear, and the next start takes over what was left.
func (s *scene) adopts(g *gateway.Gateway, to string) {
	s.t.Helper()
	s.must(s.bounded(g.Start))
	s.up(g)
	g.Kill()
	if out, err := s.ClientA.Run(s.ctx, "ip", "route", "get", to); err == nil || !strings.Contains(out, "No route to host") {
		s.t.Errorf("after a crash the way to the peer's site is %s", out)
	}
	s.must(s.bounded(g.Start))
	s.up(g)
	s.routed(to, "dev cw0 ")
	s.must(s.bounded(g.Stop))
	s.routed(to, "via "+world.GatewayIn(world.SiteA.Networks[0]).String())
}

// routed wants client A's route to an address.
func (s *scene) routed(to, want string) {
	s.t.Helper()
	if out, err := s.ClientA.Run(s.ctx, "ip", "route", "get", to); err != nil || !strings.Contains(out, want) {
		s.t.Errorf("the route to %s is %v %s, want %s", to, err, out, want)
	}
}

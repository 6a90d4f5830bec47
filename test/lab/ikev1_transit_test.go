package lab

import (
	"net/netip"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// thirdNetwork is behind the router, which is a third site here.
var thirdNetwork = netip.MustParsePrefix("10.3.0.0/24")

// TestIKEv1Transit has our gateway hold a connection of IKEv1 and one of IKEv2 at
// once, to two strongSwans, whose sites reach each other through it.
func TestIKEv1Transit(t *testing.T) {
	s := newScene(t)
	third := world.GatewayIn(thirdNetwork)
	s.must(s.Router.Shell(s.ctx, "ip addr add "+third.String()+"/32 dev lo"))

	old := pairv1()
	old.Name, old.Remote, old.RemoteIdentity = "old", world.SiteA.Router4, "c.lab.example"
	old.LocalNetworks, old.RemoteNetworks = world.SiteB.Networks[:1], []netip.Prefix{thirdNetwork}
	old.Keys = "transit: true"
	recent, _ := link.Pair()
	recent.Name, recent.PolicyBased = "recent", true
	recent.LocalNetworks, recent.RemoteNetworks = []netip.Prefix{thirdNetwork}, world.SiteB.Networks[:1]
	recent.Keys = "transit: true"

	s.strongswan(s.Router, old.Peer())
	s.strongswan(s.GatewayB, recent.Peer())
	g := s.causeway(s.GatewayA, old, recent)
	for name, version := range map[string]int{"old": 1, "recent": 2} {
		if c := s.upNamed(g, name); c.IKE.Version != version {
			t.Errorf("connection %s speaks IKEv%d", name, c.IKE.Version)
		}
	}
	there := world.ClientIn(recent.RemoteNetworks[0])
	s.eventually("an answer between the sites", func() error { return s.answers(s.Router, there, third) })
	s.ping(s.Router, there, 50, "-I", third.String())
	s.ping(s.ClientB, third, 50)
	for _, name := range []string{"old", "recent"} {
		c := s.status(g, name)
		if len(c.Children) != 1 || c.Children[0].PacketsIn < 100 || c.Children[0].PacketsOut < 100 {
			t.Errorf("connection %s carried %+v", name, c.Children)
		}
	}
}

// answers asks once, from one address.
func (s *scene) answers(from *world.Namespace, to, own netip.Addr) error {
	_, err := from.Run(s.ctx, "ping", "-n", "-c", "1", "-W", "1", "-I", own.String(), to.String())
	return err
}

package lab

import (
	"net/netip"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestRedirect (RFC 5685): ours sends strongSwan to another gateway, which is ours as
// well, and strongSwan sends ours to another strongSwan.
func TestRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := world.FurtherSite(1)
	t.Run("ours sends strongSwan", func(t *testing.T) {
		s := newScene(t)
		third, err := s.AddSite(s.ctx, elsewhere)
		s.must(err)
		front, b := signed()
		front.Start, b.Start = false, true
		front.LocalNetworks = elsewhere.Networks[:1]
		b.RemoteNetworks = front.LocalNetworks
		back := front
		back.Local = elsewhere.Outer4
		front.IKEKeys = []string{"redirect_to: " + elsewhere.Outer4.String()}
		g := s.causeway(third, back)
		first := s.causeway(s.GatewayA, front)
		d := s.strongswan(s.GatewayB, b)
		s.up(g)
		s.ping(s.ClientB, world.GatewayIn(elsewhere.Networks[0]), 5)
		if ike := s.swanUp(d, 1); ike.Remote != elsewhere.Outer4.String()+":4500" {
			t.Errorf("strongSwan is connected with %s", ike.Remote)
		}
		if c := s.status(first, link.Name); c.IKE != nil || len(c.Children) > 0 {
			t.Errorf("the first gateway is %s, with %+v", describe(c), c.Children)
		}
	})
	t.Run("strongSwan sends ours", func(t *testing.T) {
		s := newScene(t)
		third, err := s.AddSite(s.ctx, elsewhere)
		s.must(err)
		a, b := signed()
		a.RemoteNetworks = append([]netip.Prefix{b.LocalNetworks[0]}, elsewhere.Networks[0])
		back := b
		back.Local, back.LocalNetworks = elsewhere.Outer4, elsewhere.Networks[:1]
		s.strongswan(third, back)
		d := s.strongswan(s.GatewayB, b)
		g := s.causeway(s.GatewayA, a)
		s.up(g)
		s.ping(s.ClientA, world.ClientIn(b.LocalNetworks[0]), 5)
		s.must(d.Redirect(s.ctx, elsewhere.Outer4))
		s.eventually("an answer through the other gateway", func() error { return s.reaches(s.ClientA, world.GatewayIn(elsewhere.Networks[0])) })
		if c := s.up(g); c.IKE.Remote != elsewhere.Outer4.String()+":4500" {
			t.Errorf("ours is connected with %s", c.IKE.Remote)
		}
	})
}

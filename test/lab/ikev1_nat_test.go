package lab

import (
	"net/netip"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// TestIKEv1NAT has a masquerading router between the ends, with either behind
// it (RFC 3947).
func TestIKEv1NAT(t *testing.T) {
	t.Parallel()
	for _, hidden := range []string{"ours", "strongSwan"} {
		t.Run(hidden+" behind it", func(t *testing.T) {
			s := newScene(t)
			s.must(s.Masquerade(s.ctx, world.SiteB))
			a := pairv1()
			b := a.Peer()
			b.Remote = netip.Addr{}
			wantNAT := "both" // ours, and the one that charon claims
			g, d := s.natted(hidden, a, b)
			if hidden == "strongSwan" {
				wantNAT = "remote"
			}
			c := s.up(g)
			if c.IKE.NAT != wantNAT {
				t.Errorf("status says nat %q, want %q", c.IKE.NAT, wantNAT)
			}
			s.pingBoth(a)
			s.swanUp(d, 1)
			before := s.status(g, link.Name)
			s.under(func() {
				s.must(d.RekeyChild(s.ctx))
				s.rekeyed(g, before, false, true)
			})
		})
	}
}

// natted starts our gateway and strongSwan, with a, which begins, behind the NAT.
func (s *scene) natted(hidden string, a, b link.End) (*gateway.Gateway, *strongswan.Daemon) {
	s.t.Helper()
	if hidden == "ours" {
		d := s.strongswan(s.GatewayB, b)
		return s.causeway(s.GatewayA, a), d
	}
	g := s.causeway(s.GatewayB, b)
	return g, s.strongswan(s.GatewayA, a)
}

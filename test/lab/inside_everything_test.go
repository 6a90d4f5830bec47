package lab

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// failBackPatience is longer than the minute after which the first address of a peer
// is tried again.
const failBackPatience = 100 * time.Second

// TestFailOverInsideEverything: the addresses of the peer lie inside a remote network
// like every other. The first of them dies, and the tunnel comes up by the second; the
// first is there again, and the tunnel goes back to it.
func TestFailOverInsideEverything(t *testing.T) {
	t.Parallel()
	for _, peer := range []string{"causeway", "strongSwan"} {
		t.Run(peer, func(t *testing.T) {
			s := newScene(t)
			s.watchForLeaks()
			first, spare := second(world.SiteB), world.SiteB.Outer4
			a, b := mobile("we")
			pings := a
			a.IKEKeys, a.RemoteNetworks, a.RemoteName = nil, everywhere, fmt.Sprintf("[%v, %v]", first, spare)
			b.Also, b.SwanKeys = []netip.Addr{first}, []string{"local_addrs = %any"}
			s.twoAddresses(s.GatewayB, world.SiteB)
			if peer == "causeway" {
				s.causeway(s.GatewayB, b)
			} else {
				s.strongswan(s.GatewayB, b)
			}
			g := s.causeway(s.GatewayA, a)
			s.with(g, first)
			s.pingBoth(pings)
			before := s.leaks()

			s.must(s.Router.Shell(s.ctx, fmt.Sprintf(`nft add table ip dead
nft add chain ip dead forward '{ type filter hook forward priority 0; }'
nft add rule ip dead forward ip daddr %v drop
nft add rule ip dead forward ip saddr %v drop`, first, first)))
			s.idly(func() { s.with(g, spare) })
			s.pingBoth(pings)

			s.must(s.Router.Shell(s.ctx, "nft delete table ip dead"))
			s.patience = failBackPatience
			s.idly(func() { s.with(g, first) })
			s.patience = lookTimeout
			s.pingBoth(pings)
			if n := s.leaks() - before; n > 0 {
				t.Errorf("%d packets of site A's left in the clear", n)
			}
		})
	}
}

// with waits until the tunnel is up with the peer at that address, and nothing else is
// there: what our gateway sends itself goes past the tunnel, and what others send to
// the same address does not.
func (s *scene) with(g *gateway.Gateway, peer netip.Addr) {
	s.t.Helper()
	s.eventually("the tunnel with "+peer.String(), func() error {
		c := s.status(g, link.Name)
		if c.State != "up" || c.IKE == nil || at(c.IKE.Remote) != peer {
			return fmt.Errorf("it is %s, its IKE SA %+v", describe(c), c.IKE)
		}
		return nil
	})
	s.way(s.GatewayA, "cw0", peer.String())
	s.way(s.GatewayA, "wan", peer.String(), "ipproto", "udp", "sport", "4500", "dport", "4500")
}

// TestRedirectInsideEverything: the gateway that the peer sends us to (RFC 5685) lies
// inside a remote network, and nobody told us of it: before IKE_AUTH, and while the
// tunnel is up.
func TestRedirectInsideEverything(t *testing.T) {
	t.Parallel()
	other := world.FurtherSite(1)
	for _, peer := range []string{"causeway", "strongSwan"} {
		for _, late := range []bool{false, true} {
			if peer == "strongSwan" && !late {
				continue // it has no configuration for that
			}
			t.Run(peer+map[bool]string{false: "", true: ", late"}[late], func(t *testing.T) {
				s := newScene(t)
				s.watchForLeaks()
				third, err := s.AddSite(s.ctx, other)
				s.must(err)
				a, b := signed()
				pings := a
				a.RemoteNetworks = everywhere
				back := b
				back.Local, back.LocalNetworks = other.Outer4, other.Networks[:1]
				sent := b
				sent.IKEKeys = []string{"redirect_to: " + other.Outer4.String()}
				var redirect func()
				if peer == "causeway" {
					s.causeway(third, back)
					if !late {
						b = sent
					}
					front := s.causeway(s.GatewayB, b)
					redirect = func() {
						s.must(front.Configure(sent))
						s.must(front.Reload())
					}
				} else {
					s.strongswan(third, back)
					front := s.strongswan(s.GatewayB, b)
					redirect = func() { s.must(front.Redirect(s.ctx, other.Outer4)) }
				}
				g := s.causeway(s.GatewayA, a)
				before := s.leaks()
				if late {
					s.with(g, world.SiteB.Outer4)
					s.pingBoth(pings)
					redirect()
				}
				s.patience = 20 * time.Second // the routes are looked at every 30 s in any case
				s.with(g, other.Outer4)
				s.eventually("an answer through the other gateway", func() error { return s.reaches(s.ClientA, world.GatewayIn(other.Networks[0])) })
				s.ping(s.ClientA, world.GatewayIn(other.Networks[0]), 10)
				if n := s.leaks() - before; n > 0 {
					t.Errorf("%d packets of site A's left in the clear", n)
				}
			})
		}
	}
}

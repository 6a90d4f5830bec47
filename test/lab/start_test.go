package lab

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// TestOnTraffic: the first packet brings the connection up.
func TestOnTraffic(t *testing.T) {
	s := newScene(t)
	a, b := link.Pair()
	a.Start, a.OnTraffic = false, true
	d := s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	if c := s.status(g, link.Name); c.State != "down" {
		t.Errorf("before any traffic the connection is %s", describe(c))
	}
	s.command(g, 0, "status")
	// At 50 a second more would come than are kept for the time of a slow handshake.
	stream := s.streamOf(s.ClientA, world.ClientIn(a.RemoteNetworks[0]), 200*time.Millisecond, 0)
	s.up(g)
	s.pingBoth(a)
	stream.finish() // the packets that waited for the Child SA arrived, too
	s.agree(g, d, a, b)
}

// TestAnyAddress: peers without a known address are told apart by identity,
// and each has its own key and networks.
func TestAnyAddress(t *testing.T) {
	s := newScene(t)
	whole, _ := link.Pair()
	whole.Start, whole.Remote = false, netip.Addr{}
	first, second := networks(whole, 0), networks(whole, 1)
	first.Name, first.RemoteIdentity = "first", "first.lab.example"
	second.Name, second.RemoteIdentity, second.PSK = "second", "second.lab.example", "the key of the second alone"
	g := s.causeway(s.GatewayA, first, second)
	var peers []link.End
	for _, end := range []link.End{first, second} {
		p := end.Peer()
		p.Local, p.Start = world.SiteB.Outer4, false
		peers = append(peers, p)
	}
	d := s.strongswan(s.GatewayB, peers...)
	s.must(d.InitiateChild(s.ctx, "first"))
	s.must(d.InitiateChild(s.ctx, "second"))
	for _, end := range []link.End{first, second} {
		s.pingBoth(end)
		s.eventually("what each peer is for", func() error {
			c := s.upNamed(g, end.Name)
			if c.IKE.RemoteIdentity != end.RemoteIdentity || len(c.Children) != 1 || c.Children[0].PacketsIn < bothPings {
				return fmt.Errorf("%s: %+v, Child SAs %+v", end.Name, c.IKE, c.Children)
			}
			return nil
		})
	}
}

// TestGroupRetry: the first offer's key share is of a group that the other end
// does not want, which it says by INVALID_KE_PAYLOAD (RFC 7296 §1.3).
func TestGroupRetry(t *testing.T) {
	t.Parallel()
	for _, begins := range []string{"initiator", "responder"} {
		t.Run(begins, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a.Start = begins == "initiator"
			b := a.Peer()
			both := []string{"aes256gcm16-prfsha384-ecp384-x25519"}
			one := []string{"aes256gcm16-prfsha384-x25519"}
			if a.IKE, b.IKE = both, one; !a.Start {
				a.IKE, b.IKE = one, both
			}
			g, _ := s.joined(a, b)
			if suite := s.status(g, link.Name).IKE.Suite; suite != one[0] {
				t.Errorf("the suite is %s", suite)
			}
		})
	}
}

// TestNarrowing: the responder takes a part of the selectors that are offered
// (RFC 7296 §2.9).
func TestNarrowing(t *testing.T) {
	t.Parallel()
	wide := netip.MustParsePrefix("10.0.0.0/8")
	for _, begins := range []string{"initiator", "responder"} {
		t.Run(begins, func(t *testing.T) {
			s := newScene(t)
			a, _ := link.Pair()
			a = networks(a, 0)
			a.Start, a.PolicyBased = begins == "initiator", true
			b := a.Peer()
			if a.Start {
				a.LocalNetworks = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
			} else {
				b.RemoteNetworks = []netip.Prefix{wide}
				b.LocalNetworks = []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}
			}
			g := s.causeway(s.GatewayA, a)
			d := s.strongswan(s.GatewayB, b)
			s.up(g)
			narrow, _ := link.Pair()
			s.pingBoth(networks(narrow, 0))
			s.agree(g, d, a, b)
			child := s.status(g, link.Name).Children[0]
			if child.LocalSelectors[0] != "10.1.0.0/24" || child.RemoteSelectors[0] != "10.2.0.0/24" {
				t.Errorf("the selectors are %v and %v", child.LocalSelectors, child.RemoteSelectors)
			}
		})
	}
}

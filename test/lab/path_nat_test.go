package lab

import (
	"strings"
	"testing"
	"time"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
)

// keepalivePatience is longer than the 20 s after which a keepalive goes out
// (RFC 3948 §4), with the second that its ticker may be late.
const keepalivePatience = 30 * time.Second

// keepaliveFilter takes UDP payloads of one byte 0xFF to port 4500 that come
// from an address.
func keepaliveFilter(from string) string {
	return "src host " + from + " and udp dst port 4500 and udp[4:2] = 9 and udp[8] = 0xff"
}

// TestNAT puts a masquerading router between the gateways (RFC 7296 §2.23,
// RFC 3948).
func TestNAT(t *testing.T) {
	t.Parallel()
	t.Run("ours behind it", natOurs)
	t.Run("strongSwan behind it", natStrongSwan)
	t.Run("between ours", natBoth)
}

// natOurs has the gateway behind the NAT and strongSwan in the open. charon
// claims a NAT of its own besides, so that ESP is put in UDP.
func natOurs(t *testing.T) {
	s := newScene(t)
	s.must(s.Masquerade(s.ctx, world.SiteB))
	a, b := quietPair()
	d := s.strongswan(s.GatewayB, b)
	g := s.causeway(s.GatewayA, a)
	c := s.up(g)
	if c.IKE.NAT != "both" {
		t.Errorf("status says nat %q, want both: ours, and the one that charon claims", c.IKE.NAT)
	}
	s.pingBoth(a)
	sa := s.swanUp(d, 1)
	if !sa.PeerNAT {
		t.Errorf("strongSwan sees no NAT in front of its peer: %+v", sa)
	}
	if address, _, _ := strings.Cut(sa.Remote, ":"); address != world.SiteB.Router4.String() || strings.HasSuffix(sa.Remote, ":4500") {
		t.Errorf("strongSwan's peer is at %s, want %s and a port that the NAT chose", sa.Remote, world.SiteB.Router4)
	}
	keepalive := s.sniff(s.GatewayA, "wan", "keepalive", 1, keepaliveFilter(world.SiteA.Outer4.String()))
	keepalive.found(keepalivePatience)
	s.pingBoth(a)
	s.swanUp(d, 1)
}

// natStrongSwan has strongSwan behind the NAT.
func natStrongSwan(t *testing.T) {
	s := newScene(t)
	s.must(s.Masquerade(s.ctx, world.SiteB))
	a, b := natPair()
	g := s.causeway(s.GatewayB, b)
	d := s.strongswan(s.GatewayA, a)
	c := s.up(g)
	if c.IKE.NAT != "remote" {
		t.Errorf("status says nat %q, want remote", c.IKE.NAT)
	}
	if address, _, _ := strings.Cut(c.IKE.Remote, ":"); address != world.SiteB.Router4.String() {
		t.Errorf("the peer is at %s, want %s", c.IKE.Remote, world.SiteB.Router4)
	}
	s.pingBoth(a)
	s.swanUp(d, 1)
}

// natBoth has our gateway on both sides, and the one in the open starts a rekey
// through the mapping that the other keeps alive.
func natBoth(t *testing.T) {
	s := newScene(t)
	s.must(s.Masquerade(s.ctx, world.SiteB))
	a, b := quietPair()
	open := s.causeway(s.GatewayB, b)
	hidden := s.causeway(s.GatewayA, a)
	if c := s.up(hidden); c.IKE.NAT != "local" {
		t.Errorf("status behind the NAT says nat %q, want local", c.IKE.NAT)
	}
	if c := s.up(open); c.IKE.NAT != "remote" {
		t.Errorf("status in the open says nat %q, want remote", c.IKE.NAT)
	}
	s.pingBoth(a)
	keepalive := s.sniff(s.GatewayB, "wan", "keepalive", 1, keepaliveFilter(world.SiteB.Router4.String()))
	keepalive.found(keepalivePatience)
	s.must(open.RekeyChild(s.ctx))
	s.pingBoth(a)
}

// natPair is link.Pair with A behind a NAT.
func natPair() (a, b link.End) {
	a, b = relayedPair()
	a.Remote = world.SiteB.Outer4
	return a, b
}

// quietPair is natPair without liveness checks, which keep the mapping alive, too.
func quietPair() (a, b link.End) {
	a, b = natPair()
	a.DPD, b.DPD = time.Hour, time.Hour
	return a, b
}

package lab

import (
	"context"
	"testing"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/roots"
	"causeway/test/lab/strongswan"
	"causeway/test/lab/world"
)

// TestNewerStrongSwan is strongSwan of later Debian suites, with its userspace ESP:
// begun by either end, with every kind of rekey from either end and from both at
// once, make-before-break reauthentication from its side, a trap, and ESP without
// UDP. What 6.1 has besides is in TestKeyExchange.
func TestNewerStrongSwan(t *testing.T) {
	t.Parallel()
	for _, root := range []string{roots.Trixie, roots.Forky} {
		for _, begins := range []string{"initiator", "responder"} {
			a, _ := link.Pair()
			a.Start = begins == "initiator"
			t.Run(root+"/"+begins+"/rekeys", func(t *testing.T) { newerRekeys(t, root, a) })
			t.Run(root+"/"+begins+"/reauthentication", func(t *testing.T) { newerReauthentication(t, root, a) })
		}
		t.Run(root+"/collisions", func(t *testing.T) { newerCollisions(t, root) })
		t.Run(root+"/trap", func(t *testing.T) { newerTrap(t, root) })
		t.Run(root+"/raw ESP", func(t *testing.T) { newerRaw(t, root, false) })
		t.Run(root+"/raw ESP over IPv6", func(t *testing.T) { newerRaw(t, root, true) })
	}
}

// newer joins our gateway to the strongSwan of a root, which has these settings.
func (s *scene) newer(root string, a link.End, settings ...string) (*gateway.Gateway, *strongswan.Daemon) {
	s.t.Helper()
	b := a.Peer()
	b.SwanDaemon = settings
	where := s.in(root, s.GatewayB)
	var g *gateway.Gateway
	if !a.Start {
		g = s.causeway(s.GatewayA, a)
	}
	d := s.strongswanAt(where, strongswan.Userspace, b)
	if a.Start {
		g = s.causeway(s.GatewayA, a)
	}
	s.up(g)
	s.swanUp(d, 1)
	s.pingBoth(a)
	return g, d
}

// newerRekeys replaces both kinds of SA by either end, under traffic.
func newerRekeys(t *testing.T, root string, a link.End) {
	s := newScene(t)
	a.ESP = []string{"aes256gcm16-x25519", "aes256gcm16"}
	g, d := s.newer(root, a)
	s.agree(g, d, a, a.Peer())
	for _, r := range rekeys {
		s.rekeyUnder(g, r.ike, r.child, func(ctx context.Context) error { return r.command(ctx, g, d) })
		s.agree(g, d, a, a.Peer())
	}
}

// newerReauthentication has strongSwan authenticate us anew, with an IKE SA made
// before the old one goes (RFC 7296 §2.8.3), which loses no packet.
func newerReauthentication(t *testing.T, root string, a link.End) {
	s := newScene(t)
	g, d := s.newer(root, a, "make_before_break = yes")
	for range 2 {
		before := s.status(g, link.Name)
		s.under(func() {
			s.must(d.Reauthenticate(s.ctx))
			s.rekeyed(g, before, true, true)
		})
		s.agree(g, d, a, a.Peer())
	}
	if c := s.status(g, link.Name); c.IKE.Role != "responder" {
		t.Errorf("strongSwan began the IKE SA, and we are its %s", c.IKE.Role)
	}
}

// newerCollisions has both ends rekey at the same moments, with additional key
// exchanges where that strongSwan has them.
func newerCollisions(t *testing.T, root string) {
	s := newScene(t)
	s.lastFor(collisions())
	a, _ := link.Pair()
	if root == roots.Forky {
		a.IKE, a.ESP = []string{"aes256gcm16-prfsha384-x25519-ke1_mlkem768"}, []string{"aes256gcm16-x25519-ke1_mlkem768"}
	}
	g, d := s.newer(root, a)
	s.collide(g, d.RekeyChild, d.RekeyIKE)
	s.onePair(g, d)
	s.pingBoth(a)
}

// newerTrap has a packet behind strongSwan bring the tunnel up.
func newerTrap(t *testing.T, root string) {
	s := newScene(t)
	a, b := link.Pair()
	a.Start = false
	where := s.in(root, s.GatewayB)
	g := s.causeway(s.GatewayA, a)
	d := s.strongswanAt(where, strongswan.Userspace, b)
	s.must(d.Install(s.ctx))
	if list, err := d.SAs(s.ctx); err != nil || len(list) > 0 {
		t.Fatalf("before any traffic strongSwan has the SAs %+v, %v", list, err)
	}
	s.stream(s.ClientB, world.ClientIn(b.RemoteNetworks[0]))
	s.up(g)
	s.pingBoth(a)
	s.agree(g, d, a, b)
}

// newerRaw has ESP without UDP, which strongSwan's userspace ESP can since 5.9.11,
// over either IP.
func newerRaw(t *testing.T, root string, six bool) {
	s := newScene(t)
	a, _ := link.Pair()
	a.Bare = true
	if six {
		a = outer6(a)
	}
	g, d := s.newer(root, a, "plugins {", "kernel-libipsec {", "raw_esp = yes", "}", "}")
	for _, r := range rekeys {
		if r.child && !r.ike {
			s.rekeyUnder(g, false, true, func(ctx context.Context) error { return r.command(ctx, g, d) })
		}
	}
	ours, theirs := s.status(g, link.Name).Children[0], s.swanUp(d, 1).Children[0]
	if ours.Encapsulation != "none" || theirs.Encapsulated || ours.PacketsIn == 0 || ours.PacketsOut == 0 {
		t.Errorf("our Child SA is %+v, strongSwan's %+v", ours, theirs)
	}
}

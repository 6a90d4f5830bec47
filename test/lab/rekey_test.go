package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
	"causeway/test/lab/strongswan"
)

// rekeys are the ways to replace SAs by command.
var rekeys = []struct {
	name       string
	ike, child bool // what is replaced
	command    func(context.Context, *gateway.Gateway, *strongswan.Daemon) error
}{
	{"our child", false, true, func(ctx context.Context, g *gateway.Gateway, _ *strongswan.Daemon) error {
		_, err := g.Command(ctx, "rekey", link.Name, "--child")
		return err
	}},
	{"our ike", true, false, func(ctx context.Context, g *gateway.Gateway, _ *strongswan.Daemon) error {
		_, err := g.Command(ctx, "rekey", link.Name, "--ike")
		return err
	}},
	{"our both", true, true, func(ctx context.Context, g *gateway.Gateway, _ *strongswan.Daemon) error {
		_, err := g.Command(ctx, "rekey", link.Name)
		return err
	}},
	{"their child", false, true, func(ctx context.Context, _ *gateway.Gateway, d *strongswan.Daemon) error { return d.RekeyChild(ctx) }},
	{"their ike", true, false, func(ctx context.Context, _ *gateway.Gateway, d *strongswan.Daemon) error { return d.RekeyIKE(ctx) }},
}

// TestRekey replaces SAs under traffic, which loses nothing.
func TestRekey(t *testing.T) {
	t.Parallel()
	for _, begins := range []string{"initiator", "responder"} {
		for _, r := range rekeys {
			t.Run(begins+"/"+r.name, func(t *testing.T) {
				s := newScene(t)
				a, _ := link.Pair()
				a.Start = begins == "initiator"
				if r.child {
					a.ESP = []string{"aes256gcm16-x25519", "aes256gcm16"}
				}
				g, d := s.joined(a, a.Peer())
				before := s.status(g, link.Name)
				s.under(func() {
					s.must(r.command(s.ctx, g, d))
					s.rekeyed(g, before, r.ike, r.child)
				})
				s.agree(g, d, a, a.Peer())
			})
		}
	}
}

// TestRekeyDefaults is strongSwan's rekey with the proposals that it has when
// nothing is configured, among them several PRFs.
func TestRekeyDefaults(t *testing.T) {
	s := newScene(t)
	a, _ := link.Pair()
	a.IKE, a.ESP = nil, nil
	g, d := s.joined(a, a.Peer())
	before := s.status(g, link.Name)
	s.under(func() {
		s.must(d.RekeyIKE(s.ctx))
		s.rekeyed(g, before, true, false)
		s.must(d.RekeyChild(s.ctx))
		s.rekeyed(g, before, true, true)
	})
	s.agree(g, d, a, a.Peer())
}

// rekeyed waits until the SAs are others than before; there are SAs all the
// time.
func (s *scene) rekeyed(g *gateway.Gateway, before *gateway.Connection, ike, child bool) {
	s.t.Helper()
	s.eventually("new SAs", func() error {
		c := s.status(g, link.Name)
		if c.IKE == nil || len(c.Children) == 0 {
			s.t.Errorf("while SAs are replaced there are none: %s", describe(c))
			return nil
		}
		if ike && c.IKE.SPIi == before.IKE.SPIi || child && c.Children[0].SPIIn == before.Children[0].SPIIn {
			return fmt.Errorf("the IKE SA is %s_i, the Child SA %s: %s", c.IKE.SPIi, c.Children[0].SPIIn, describe(c))
		}
		return nil
	})
}

// replaced waits until there are new SAs, which need not overlap the old ones.
func (s *scene) replaced(g *gateway.Gateway, before *gateway.Connection) {
	s.t.Helper()
	s.eventually("new SAs", func() error {
		status, err := g.Status(s.ctx)
		if err != nil {
			return err
		}
		c, up := status.Up(link.Name)
		if !up || c.IKE.SPIi == before.IKE.SPIi || c.Children[0].SPIIn == before.Children[0].SPIIn {
			return errors.New(describe(c))
		}
		return nil
	})
}

// TestLifetime has both kinds of SA replaced by their lifetimes under traffic.
func TestLifetime(t *testing.T) {
	s := newScene(t)
	a, _ := link.Pair()
	b := a.Peer()
	a.ESPLifetime, a.IKELifetime = 10*time.Second, 20*time.Second
	g, d := s.joined(a, b)
	var children, ikes []string
	s.under(func() {
		s.eventually("three Child SAs and two IKE SAs", func() error {
			c := s.status(g, link.Name)
			for _, child := range c.Children {
				if !slices.Contains(children, child.SPIIn) {
					children = append(children, child.SPIIn)
				}
			}
			if c.IKE != nil && !slices.Contains(ikes, c.IKE.SPIi) {
				ikes = append(ikes, c.IKE.SPIi)
			}
			if len(children) < 3 || len(ikes) < 2 {
				return fmt.Errorf("seen until now: %v and %v", children, ikes)
			}
			return nil
		})
	})
	if list, err := d.SAs(s.ctx); err != nil || len(list) == 0 {
		t.Errorf("strongSwan has the SAs %v, %v", list, err)
	}
}

// TestReauthentication authenticates anew: by strongSwan, with an IKE SA that is
// made before the old one goes or after it, and by us by time. Only the one in the
// middle loses packets.
func TestReauthentication(t *testing.T) {
	t.Parallel()
	for _, begins := range []string{"initiator", "responder"} {
		t.Run(begins+"/their make before break", func(t *testing.T) {
			s := newScene(t)
			g, d, a, b := s.reauthenticating(begins == "initiator", "make_before_break = yes")
			before := s.status(g, link.Name)
			s.under(func() {
				s.must(d.Reauthenticate(s.ctx))
				s.rekeyed(g, before, true, true)
			})
			s.agree(g, d, a, b)
		})
		t.Run(begins+"/their break before make", func(t *testing.T) {
			s := newScene(t)
			g, d, a, b := s.reauthenticating(begins == "initiator", "make_before_break = no")
			before := s.status(g, link.Name)
			s.must(d.Reauthenticate(s.ctx))
			s.replaced(g, before)
			s.pingBoth(a)
			s.agree(g, d, a, b)
		})
	}
	t.Run("ours", func(t *testing.T) {
		s := newScene(t)
		a, b := link.Pair()
		a.IKEKeys = []string{"reauth: 10s"}
		g, d := s.joined(a, b)
		var children, ikes []string
		s.under(func() {
			s.eventually("three IKE SAs", func() error {
				if children, ikes = s.seen(g, children, ikes); len(ikes) < 3 || len(children) < 3 {
					return fmt.Errorf("seen until now: %v and %v", children, ikes)
				}
				return nil
			})
		})
		if list, err := d.SAs(s.ctx); err != nil || len(list) == 0 {
			t.Errorf("strongSwan has the SAs %v, %v", list, err)
		}
	})
}

// reauthenticating joins our gateway, which begins or does not, to a strongSwan
// with this setting.
func (s *scene) reauthenticating(begins bool, setting string) (*gateway.Gateway, *strongswan.Daemon, link.End, link.End) {
	s.t.Helper()
	a, _ := link.Pair()
	a.Start = begins
	b := a.Peer()
	b.SwanDaemon = []string{setting}
	g, d := s.joined(a, b)
	return g, d, a, b
}

// TestRefusedRekey: strongSwan, without perfect forward secrecy, refuses every rekey of
// the Child SA. The IKE SA is made anew before that ends, and nothing is lost.
func TestRefusedRekey(t *testing.T) {
	s := newScene(t)
	a, _ := link.Pair()
	b := a.Peer()
	a.ESP, b.ESP = []string{"aes256gcm16-x25519"}, []string{"aes256gcm16"}
	a.ESPLifetime = 15 * time.Second
	g, d := s.joined(a, b)
	before := s.status(g, link.Name)
	s.under(func() { s.rekeyed(g, before, true, true) })
	s.agree(g, d, a, b)
}

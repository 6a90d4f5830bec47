package lab

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"causeway/test/lab/gateway"
	"causeway/test/lab/link"
)

// TestIKEv1Rekey replaces SAs by command of either end under traffic, which
// loses nothing. A new ISAKMP SA is a new Main Mode; strongSwan's takes the
// Child SAs over.
func TestIKEv1Rekey(t *testing.T) {
	t.Parallel()
	for _, begins := range []string{"initiator", "responder"} {
		for _, r := range rekeys {
			t.Run(begins+"/"+r.name, func(t *testing.T) {
				s := newScene(t)
				a := pairv1()
				a.Start = begins == "initiator"
				g, d := s.joined(a, a.Peer())
				before := s.status(g, link.Name)
				s.under(func() {
					s.must(r.command(s.ctx, g, d))
					s.rekeyed(g, before, r.ike, r.child)
					if r.name == "our child" { // after some seconds we send on the new one, and delete the old
						s.oneOfOurs(g)
					}
				})
			})
		}
	}
}

// TestIKEv1Lifetimes has SAs of both kinds replaced by the lower lifetimes, which
// are those of either end, under traffic, which loses nothing.
func TestIKEv1Lifetimes(t *testing.T) {
	t.Parallel()
	for _, lower := range []string{"ours", "strongSwan's"} {
		t.Run(lower, func(t *testing.T) {
			s := newScene(t)
			a := pairv1()
			b := a.Peer()
			if lower == "ours" {
				a.ESPLifetime, a.IKELifetime = 10*time.Second, 12*time.Second
			} else { // it counts in whole seconds, and takes a tenth off at random
				b.ESPLifetime, b.IKELifetime = 11*time.Second, 12*time.Second
			}
			g, _ := s.joined(a, b)
			var children, ikes []string
			s.under(func() {
				s.eventually("three Child SAs and two ISAKMP SAs", func() error {
					children, ikes = s.seen(g, children, ikes)
					if len(children) < 3 || len(ikes) < 2 {
						return fmt.Errorf("seen until now: %v and %v", children, ikes)
					}
					return nil
				})
			})
			if e := s.status(g, link.Name).LastError; e != nil {
				t.Errorf("while all went well, the last error became %+v", e)
			}
		})
	}
}

// seen adds the SAs that are there now to those that were.
func (s *scene) seen(g *gateway.Gateway, children, ikes []string) (nowChildren, nowIKEs []string) {
	s.t.Helper()
	c := s.status(g, link.Name)
	for _, child := range c.Children {
		if !slices.Contains(children, child.SPIIn) {
			children = append(children, child.SPIIn)
		}
	}
	if c.IKE != nil && !slices.Contains(ikes, c.IKE.SPIi) {
		ikes = append(ikes, c.IKE.SPIi)
	}
	return children, ikes
}

// roundsv1 is how often TestIKEv1Rounds replaces something, every few seconds: for
// five minutes in the long form.
func roundsv1() int {
	if long {
		return 100
	}
	return 6
}

// TestIKEv1Rounds has both ends replace the Child SA and the ISAKMP SA in turn,
// every three seconds, under pings of 50 a second both ways, which lose nothing.
func TestIKEv1Rounds(t *testing.T) {
	s := newScene(t)
	s.lastFor(time.Duration(roundsv1()) * 3 * time.Second)
	a := pairv1()
	g, d := s.joined(a, a.Peer())
	var children, ikes []string
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	s.under(func() {
		for i := range roundsv1() {
			r := rekeys[[]int{0, 3, 1, 4}[i%4]] // our child, their child, our ike, their ike
			before := s.status(g, link.Name)
			s.must(r.command(s.ctx, g, d))
			s.rekeyed(g, before, r.ike, r.child)
			children, ikes = s.seen(g, children, ikes)
			<-tick.C
		}
	})
	t.Logf("seen: %d Child SAs and %d ISAKMP SAs", len(children), len(ikes))
	if e := s.status(g, link.Name).LastError; e != nil {
		t.Errorf("while all went well, the last error became %+v", e)
	}
	s.pingBoth(a)
	if !long {
		return // the peer has a minute to delete what it replaced
	}
	s.patience = 2 * time.Minute
	s.agree(g, d, a, a.Peer())
}

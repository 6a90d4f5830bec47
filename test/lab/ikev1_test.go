package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"causeway/test/lab/link"
)

// pairv1 is the two ends of a tunnel that IKEv1 negotiates, for one network of
// each site: a Child SA of IKEv1 has one range of addresses on either side.
func pairv1() link.End {
	a, _ := link.Pair()
	a = networks(a, 0)
	a.Version, a.PolicyBased = 1, true
	a.IKE, a.ESP = []string{"aes256-sha256-modp2048"}, []string{"aes256gcm16"}
	return a
}

// TestIKEv1 is Main Mode with pre-shared keys, begun by either end, with and
// without perfect forward secrecy.
func TestIKEv1(t *testing.T) {
	for _, shape := range []struct {
		name string
		make func(*link.End)
	}{
		{"main mode", func(*link.End) {}},
		{"pfs", func(e *link.End) { e.ESP = []string{"aes128-sha256-modp2048"} }},
		{"sha1", func(e *link.End) { e.IKE, e.ESP = []string{"aes128-sha1-modp1024"}, []string{"aes256-sha1"} }},
		{"curve", func(e *link.End) { e.IKE, e.ESP = []string{"aes192-sha384-ecp384"}, []string{"aes256gcm16-ecp256"} }},
		{"addresses as identities", func(e *link.End) { e.LocalIdentity, e.RemoteIdentity = "", "" }},
	} {
		a := pairv1()
		shape.make(&a)
		t.Run("initiator/"+shape.name, func(t *testing.T) { newScene(t).joined(a, a.Peer()) })
		t.Run("responder/"+shape.name, func(t *testing.T) {
			a.Start = false
			newScene(t).joined(a, a.Peer())
		})
	}
}

// TestIKEv1Rekey replaces SAs by command of either end under traffic, which
// loses nothing. A new ISAKMP SA is a new Main Mode; strongSwan's takes the
// Child SAs over.
func TestIKEv1Rekey(t *testing.T) {
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
				})
			})
		}
	}
}

// TestIKEv1Lifetimes has both ends replace SAs every few seconds under traffic:
// for a while, or for five minutes with CAUSEWAY_LONG.
func TestIKEv1Lifetimes(t *testing.T) {
	s := newScene(t)
	a := pairv1()
	b := a.Peer()
	a.ESPLifetime, a.IKELifetime = 12*time.Second, 20*time.Second
	b.ESPLifetime, b.IKELifetime = 9*time.Second, 25*time.Second
	want := 6
	if os.Getenv("CAUSEWAY_LONG") != "" {
		want, s.patience = 35, 6*time.Minute
	}
	g, _ := s.joined(a, b)
	var children, ikes []string
	s.under(func() {
		s.eventually("many Child SAs and some ISAKMP SAs", func() error {
			c := s.status(g, link.Name)
			for _, child := range c.Children {
				if !slices.Contains(children, child.SPIIn) {
					children = append(children, child.SPIIn)
				}
			}
			if c.IKE != nil && !slices.Contains(ikes, c.IKE.SPIi) {
				ikes = append(ikes, c.IKE.SPIi)
			}
			if len(children) < want || len(ikes) < want/3 {
				return fmt.Errorf("seen until now: %v and %v", children, ikes)
			}
			return nil
		})
	})
}

// refusalsv1 are mistakes in the configuration of strongSwan, and what our end
// says in either role.
var refusalsv1 = []struct {
	name                 string
	mistake              func(*link.End)
	initiator, responder string
}{
	{"key", func(e *link.End) { e.PSK = "a key that nobody else in the laboratory knows" }, "authentication_failed", "authentication_failed"},
	{"its identity", func(e *link.End) { e.LocalIdentity = "c.lab.example" }, "", "identity_mismatch"},
	{"IKE proposal", func(e *link.End) { e.IKE = []string{"aes128-sha1-modp2048"} }, "proposal_mismatch", "proposal_mismatch"},
	{"ESP proposal", func(e *link.End) { e.ESP = []string{"aes128-sha1"} }, "proposal_mismatch", "proposal_mismatch"},
	{"selectors", func(e *link.End) { e.LocalNetworks = []netip.Prefix{netip.MustParsePrefix("10.2.99.0/24")} }, "selector_mismatch", "selector_mismatch"},
	{"version", func(e *link.End) { e.Version, e.IKE = 2, []string{"aes256-sha256-modp2048"} }, "proposal_mismatch", "version_mismatch"},
}

// TestIKEv1Refused: whatever differs between the ends is told at ours.
func TestIKEv1Refused(t *testing.T) {
	for _, r := range refusalsv1 {
		for _, role := range []string{"initiator", "responder"} {
			want := map[string]string{"initiator": r.initiator, "responder": r.responder}[role]
			if want == "" {
				continue // strongSwan takes any identity that the key fits
			}
			t.Run(role+"/"+r.name, func(t *testing.T) {
				s := newScene(t)
				a := pairv1()
				a.Start = role == "initiator"
				b := a.Peer()
				r.mistake(&b)
				if role == "initiator" {
					s.strongswan(s.GatewayB, b)
				}
				g := s.causeway(s.GatewayA, a)
				if role == "responder" {
					s.strongswan(s.GatewayB, b)
				}
				s.eventually("the reason "+want, func() error {
					c := s.status(g, link.Name)
					if c.LastError == nil || c.LastError.Reason != want {
						return errors.New(describe(c))
					}
					return nil
				})
			})
		}
	}
}

package ikev1

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/esp/selector"
	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
)

func phaseTwoIV(s *ikeSA, id uint32) []byte { return keymat.IKEv1PhaseTwoIV(s.prf, s.iv, id) }

func proposals(t testing.TB, proto transform.Protocol, text string) []transform.Proposal {
	t.Helper()
	p, err := transform.ParseIKEv1Proposal(proto, text)
	if err != nil {
		t.Fatal(err)
	}
	return []transform.Proposal{p}
}

func TestHandshake(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	d.settle()
	d.wantUp()
	c := d.a.m.Snapshot().Children[0].Child
	if c.Bare || c.Suite.String() != "aes256gcm16-modp2048" {
		t.Errorf("Child SA %v, bare %v", c.Suite, c.Bare)
	}
}

// Any one message of the handshake may be lost, and any two.
func TestHandshakeSurvivesLoss(t *testing.T) {
	for i := 1; i <= 9; i++ {
		for j := i; j <= 9; j++ {
			t.Run(fmt.Sprintf("%d and %d", i, j), func(t *testing.T) {
				d := newDuo(t)
				d.lose = func(n int) bool { return n == i || n == j }
				d.a.up()
				d.advance(time.Minute)
				d.wantUp()
			})
		}
	}
}

// Both ends begin at every distance in messages, and keep one SA of each kind.
func TestBothBegin(t *testing.T) {
	for late := range 10 {
		d := newDuo(t)
		d.a.up()
		for range late {
			if len(d.wire) > 0 {
				p := d.wire[0]
				d.wire = d.wire[1:]
				p.to.receive(p)
			}
		}
		d.b.up()
		d.advance(3 * time.Minute)
		d.wantUp()
	}
}

func TestRekeysByLifetime(t *testing.T) {
	d := newDuo(t, func(a, b *sa.Settings) {
		a.ChildLifetime.Time, a.IKELifetime = 10*time.Minute, time.Hour
		b.IKELifetime = 2 * time.Hour
	})
	d.a.up()
	d.advance(24 * time.Hour)
	for _, e := range []*end{d.a, d.b} {
		if len(e.outbound) == 0 || e.m.Snapshot().State == sa.StateDown || e.reason() != "" {
			t.Fatalf("%s: %+v\n%s", e.name, e.m.Snapshot().State, d.failures())
		}
	}
	rekeys := 0
	for _, r := range d.a.reports {
		if _, ok := r.(sa.ChildEstablished); ok {
			rekeys++
		}
	}
	if rekeys < 24*6 {
		t.Errorf("%d Child SAs in a day of ten minutes each", rekeys)
	}
}

// Both ends replace the Child SA, the ISAKMP SA, or both, at once.
func TestRekeysAtOnceConverge(t *testing.T) {
	for _, what := range []sa.Rekey{{Children: true}, {IKE: true}, {IKE: true, Children: true}} {
		d := newDuo(t)
		d.a.up()
		d.settle()
		d.a.step(false, what)
		d.b.step(false, what)
		d.advance(3 * time.Minute)
		d.wantUp()
		if d.a.reason() != "" || d.b.reason() != "" {
			t.Errorf("%+v: %s", what, d.failures())
		}
	}
}

// The peer deletes the ISAKMP SA early: Child SAs stay, and another is made.
func TestPeerDeletesISAKMPEarly(t *testing.T) {
	for _, by := range []string{"a", "b"} {
		d := newDuo(t)
		d.a.up()
		d.settle()
		before := d.a.m.Snapshot().Children[0].Child.SPIIn
		e := map[string]*end{"a": d.a, "b": d.b}[by]
		s := e.m.current()
		s.sayDeleted()
		for _, act := range e.m.out {
			e.perform(false, act)
		}
		e.m.out = nil
		s.drop(causeFinished, ending{})
		e.m.out = nil
		d.settle()
		if n := len(d.a.outbound) + len(d.b.outbound); n != 2 {
			t.Errorf("deleted by %s: %d of 2 directions are left", by, n)
		}
		d.advance(time.Minute)
		d.wantUp()
		if after := d.a.m.Snapshot().Children[0].Child.SPIIn; after != before {
			t.Errorf("deleted by %s: the Child SA was made anew", by)
		}
	}
}

func TestLowerLifetimeWins(t *testing.T) {
	d := newDuo(t, func(a, b *sa.Settings) {
		a.ChildLifetime = sa.Lifetime{Time: time.Hour, Bytes: 1 << 30}
		b.ChildLifetime = sa.Lifetime{Time: 30 * time.Minute, Bytes: 1 << 40}
		b.IKELifetime = time.Hour
	})
	d.a.up()
	d.settle()
	d.wantUp()
	for _, e := range []*end{d.a, d.b} {
		c := e.m.Snapshot().Children[0].Child
		if c.Hard.Time != 30*time.Minute || c.Hard.Bytes != 1<<30 {
			t.Errorf("%s: the Child SA ends after %v and %d bytes", e.name, c.Hard.Time, c.Hard.Bytes)
		}
		if at := e.m.current().expireAt.Sub(d.now); at > 70*time.Minute {
			t.Errorf("%s: the ISAKMP SA ends after %v", e.name, at)
		}
	}
}

func TestSelectorsOfEveryKind(t *testing.T) {
	for _, pair := range [][2]selector.Selector{
		{selector.FromPrefix(netip.MustParsePrefix("10.1.2.3/32")), selector.FromPrefix(netip.MustParsePrefix("10.2.0.0/16"))},
		{{EndPort: 65535, Start: netip.MustParseAddr("10.1.0.5"), End: netip.MustParseAddr("10.1.0.9")}, selector.FromPrefix(netip.MustParsePrefix("0.0.0.0/0"))},
		{{Protocol: 6, StartPort: 443, EndPort: 443, Start: netip.MustParseAddr("10.1.0.5"), End: netip.MustParseAddr("10.1.0.5")},
			{Protocol: 6, EndPort: 65535, Start: netip.MustParseAddr("10.2.0.0"), End: netip.MustParseAddr("10.2.0.255")}},
		{selector.FromPrefix(netip.MustParsePrefix("2001:db8:1::/48")), selector.FromPrefix(netip.MustParsePrefix("2001:db8:2::1/128"))},
	} {
		d := newDuo(t, func(a, b *sa.Settings) {
			a.Children[0].Local, a.Children[0].Remote = selector.List{pair[0]}, selector.List{pair[1]}
			b.Children[0].Local, b.Children[0].Remote = selector.List{pair[1]}, selector.List{pair[0]}
		})
		d.a.up()
		d.settle()
		d.wantUp()
		c := d.b.m.Snapshot().Children[0].Child
		if !c.LocalSelectors.Equal(selector.List{pair[1]}) || !c.RemoteSelectors.Equal(selector.List{pair[0]}) {
			t.Errorf("%v is agreed as %v === %v", pair, c.RemoteSelectors, c.LocalSelectors)
		}
	}
}

// What differs between the ends is told at both.
func TestMismatches(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(a, b *sa.Settings)
		a, b sa.Reason
	}{
		{"key", func(_, b *sa.Settings) { b.PSK = auth.NewSecret([]byte("another key")) }, sa.ReasonAuthenticationFailed, sa.ReasonAuthenticationFailed},
		{"identity", func(a, _ *sa.Settings) { a.LocalIdentity = auth.Identity{Type: 2, Data: "elsewhere.example"} },
			sa.ReasonAuthenticationFailed, sa.ReasonIdentityMismatch},
		{"responder identity", func(_, b *sa.Settings) { b.LocalIdentity = auth.Identity{Type: 2, Data: "elsewhere.example"} },
			sa.ReasonIdentityMismatch, ""},
		{"IKE proposal", func(_, b *sa.Settings) { b.IKEProposals = proposals(t, transform.IKE, "aes192-sha512-modp3072") },
			sa.ReasonProposalMismatch, sa.ReasonProposalMismatch},
		{"ESP proposal", func(_, b *sa.Settings) { b.ESPProposals = proposals(t, transform.ESP, "aes192-sha512") },
			sa.ReasonProposalMismatch, sa.ReasonProposalMismatch},
		{"networks", func(_, b *sa.Settings) {
			b.Children[0].Local = selector.List{selector.FromPrefix(netip.MustParsePrefix("10.9.0.0/16"))}
		}, sa.ReasonSelectorMismatch, sa.ReasonSelectorMismatch},
	} {
		d := newDuo(t, c.make)
		d.a.up()
		d.advance(40 * time.Second)
		if a, b := d.a.reason(), d.b.reason(); a != c.a || b != c.b {
			t.Errorf("%s: a says %q and b %q, want %q and %q\n%s", c.name, a, b, c.a, c.b, d.failures())
		}
		if len(d.a.inbound)+len(d.b.inbound) != 0 {
			t.Errorf("%s: there are Child SAs", c.name)
		}
	}
}

func TestDeadPeerIsFound(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	d.settle()
	d.b.restart()
	d.lose = func(int) bool { return true }
	d.advance(2 * time.Minute)
	if n := len(d.a.inbound); n != 0 || d.a.m.failure == nil || d.a.m.failure.Reason != sa.ReasonLivenessTimeout {
		t.Errorf("two minutes after the peer went, a has %d Child SAs: %v", n, d.a.m.failure)
	}
	d.lose = nil
	d.a.up()
	d.settle()
	d.wantUp()
}

func TestInitialContactForgetsTheOld(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	d.settle()
	d.advance(time.Second)
	d.a.restart()
	d.a.up()
	d.advance(10 * time.Second)
	d.wantUp()
}

func TestNATTraversal(t *testing.T) {
	for _, form := range []nattForm{nattRFC, nattDraft, nattNone} {
		d := newDuo(t, func(a, b *sa.Settings) {
			a.ForceEncapsulation, b.ForceEncapsulation = form != nattNone, form != nattNone
		})
		d.a.up()
		for len(d.wire) > 0 { // a device that knows only this form
			p := d.wire[0]
			d.wire = d.wire[1:]
			if m, err := isakmp.ParseMessage(p.raw); err == nil && p.to == d.b && m.ResponderCookie == 0 {
				keep := m.Payloads[:0:0]
				for _, x := range m.Payloads {
					if v, ok := x.(*isakmp.VendorID); !ok || abilitiesOf([]isakmp.Payload{v}).natt == form && form != nattNone || string(v.Data) == string(vendorDPD) {
						keep = append(keep, x)
					}
				}
				m.Payloads = keep
				if p.raw, err = m.Append(nil); err != nil {
					t.Fatal(err)
				}
			}
			p.to.receive(p)
		}
		d.wantUp()
		want := uint16(4500)
		if form == nattNone {
			want = 500
		}
		for _, e := range []*end{d.a, d.b} {
			if c := e.m.Snapshot().Children[0].Child; c.Remote.Port() != want || c.Bare != (form == nattNone) {
				t.Errorf("form %d: %s has a Child SA to %v, bare %v", form, e.name, c.Remote, c.Bare)
			}
		}
	}
}

func TestDownLeavesNothing(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	d.settle()
	d.a.step(false, sa.Down{})
	d.advance(10 * time.Second)
	for _, e := range []*end{d.a, d.b} {
		if s := e.m.Snapshot(); s.State != sa.StateDown || len(e.inbound) != 0 || len(e.m.sas) != 0 {
			t.Errorf("%s is %s with %d Child SAs", e.name, s.State, len(e.inbound))
		}
	}
}

// A replaced ISAKMP SA that ends by its lifetime before the peer deletes it is no
// loss.
func TestReplacedExpiresQuietly(t *testing.T) {
	d := newDuo(t, func(a, b *sa.Settings) { a.IKELifetime, b.IKELifetime = 20*time.Second, 20*time.Second })
	d.a.up()
	d.advance(10 * time.Minute)
	for _, e := range []*end{d.a, d.b} {
		for _, r := range e.reports {
			if c, ok := r.(sa.IKEClosed); ok && c.Failure != nil {
				t.Errorf("%s: an ISAKMP SA is lost: %v", e.name, c.Failure)
			}
		}
	}
}

// A responder that has our key and wants another identity says so at once, and
// protected, so that it is told apart from another key.
func TestRefusedIdentityIsBelieved(t *testing.T) {
	d := newDuo(t, func(a, _ *sa.Settings) { a.LocalIdentity = auth.Identity{Type: 2, Data: "elsewhere.example"} })
	d.a.up()
	d.settle()
	if f := d.a.m.failure; f == nil || !strings.Contains(f.Message, "has the same pre-shared key") || len(d.a.m.sas) != 0 {
		t.Errorf("a has %d ISAKMP SAs and the failure %v", len(d.a.m.sas), f)
	}
	if f := d.b.m.failure; f == nil || f.Reason != sa.ReasonIdentityMismatch {
		t.Errorf("b has the failure %v", f)
	}
}

// A peer that sends on a Child SA that is not here hears so, but not of one that
// is being made: a responder may send on it before its answer arrives.
func TestUnknownSPIIsTold(t *testing.T) {
	d := newDuo(t)
	d.a.up()
	d.settle()
	told := func(spi uint32) bool {
		before := len(d.wire)
		d.a.step(false, sa.UnknownSPI{SPI: spi})
		return len(d.wire) > before
	}
	d.a.step(false, sa.Rekey{Children: true})
	if told(d.a.m.quicks[len(d.a.m.quicks)-1].spiIn) {
		t.Error("the peer is told of an SPI that it was just given")
	}
	if told(d.a.m.children[0].SPIIn) {
		t.Error("the peer is told of an SPI that is there")
	}
	d.settle()
	n := 0
	for i := range uint32(1000) {
		if told(0xdead0000 + i) {
			n++
		}
	}
	if n == 0 || n > 100 {
		t.Errorf("a stranger made us say %d times of 1000 that an SPI is unknown", n)
	}
	d.wire = nil
	d.advance(2 * time.Minute)
	gone := d.a.m.children[len(d.a.m.children)-1] // lost at a alone
	d.a.m.children = nil
	d.a.step(false, sa.UnknownSPI{SPI: gone.SPIIn})
	d.settle()
	if d.b.m.childByOut(gone.SPIIn) != nil {
		t.Error("the peer goes on with a Child SA that we do not have")
	}
}

// TestQuickModesAtOnceLeaveOne: a peer replaces one Child SA by several Quick Modes
// at once, whose messages come in any order. One stays, and is replaced in its turn.
func TestQuickModesAtOnceLeaveOne(t *testing.T) {
	for _, gap := range []time.Duration{0, time.Second} {
		for n, order := range [][]int{{0, 1, 0, 1}, {0, 1, 1, 0}, {1, 0, 0, 1}, {1, 0, 1, 0}, {0, 0, 1, 1}, {0, 1, 0, 1}, {0, 1, 1, 0}, {1, 0, 0, 1}, {1, 0, 1, 0}} {
			step := uint32(n / 5)
			t.Run(fmt.Sprint(gap, n, order), func(t *testing.T) {
				d := newDuo(t)
				d.a.up()
				d.advance(time.Minute)
				old := d.a.m.children[0]
				s := d.a.m.current()
				begin := func() (first []packet) {
					s.startQuick(old.settings, old)
					actions := d.a.m.out
					d.a.m.out = nil
					for _, act := range actions {
						d.a.perform(false, act)
					}
					first, d.wire = d.wire, nil
					return first
				}
				modes := [][]packet{begin(), begin()}
				for _, i := range order {
					d.b.spi -= 2 * step // the SPIs rise or fall
					for _, p := range modes[i] {
						p.to.receive(p)
					}
					modes[i] = nil
					for len(d.wire) > 0 { // the answer goes on, what follows waits for its turn
						p := d.wire[0]
						d.wire = d.wire[1:]
						if p.to == d.b {
							modes[i] = append(modes[i], p)
							continue
						}
						p.to.receive(p)
					}
					d.now = d.now.Add(gap)
				}
				for _, e := range []*end{d.a, d.b} {
					if n := len(slices.DeleteFunc(slices.Clone(e.m.children), func(c *child) bool { return c.state != childInstalled })); n != 1 {
						t.Errorf("%s has %d Child SAs that are not replaced", e.name, n)
					}
				}
				d.advance(3 * time.Minute)
				d.wantUp()
				d.advance(2 * time.Hour)
				d.wantUp()
			})
		}
	}
}

// TestUnconfirmedReplacesNone: of two Quick Modes at once one comes to nothing, since
// its answer is lost and its ISAKMP SA goes. What the peer may not have takes
// nothing's place, and ends in time.
func TestUnconfirmedReplacesNone(t *testing.T) {
	for _, lost := range []int{0, 1} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			d := newDuo(t)
			d.a.up()
			d.advance(time.Minute)
			old, s := d.a.m.children[0], d.a.m.current()
			for i := range 2 {
				s.startQuick(old.settings, old)
				actions := d.a.m.out
				d.a.m.out = nil
				for _, act := range actions {
					d.a.perform(false, act)
				}
				first := d.wire
				d.wire = nil
				for _, p := range first {
					p.to.receive(p)
				}
				if i == lost {
					d.wire = nil // the answer
					d.a.m.quicks[len(d.a.m.quicks)-1].abandon()
				}
				d.settle()
			}
			d.b.m.dropQuicks(d.b.m.current())
			d.advance(20 * time.Second)
			for _, e := range []*end{d.a, d.b} {
				for _, c := range e.m.children {
					peer := map[*end]*end{d.a: d.b, d.b: d.a}[e]
					if c.active && c.state == childInstalled && peer.m.childByIn(c.SPIOut) == nil {
						t.Errorf("%s sends on %08x, which the other does not have", e.name, c.SPIOut)
					}
				}
			}
			d.advance(2 * time.Minute)
			d.wantUp()
			for _, e := range []*end{d.a, d.b} {
				if n := len(e.m.children); n != 1 {
					t.Errorf("%s has %d Child SAs", e.name, n)
				}
			}
		})
	}
}

package ikev1

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"fmt"
	"slices"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/test/pki"
)

func aggressive(a, b *sa.Settings) { a.Aggressive, b.Aggressive = true, true }

// kinds are the exchanges that an end sent messages of, in order.
func (e *end) kinds() (out []isakmp.ExchangeType) {
	for _, raw := range e.out {
		h, err := isakmp.ParseHeader(raw)
		if err != nil {
			e.duo.t.Fatal(err)
		}
		out = append(out, h.Exchange)
	}
	return out
}

func TestAggressiveMode(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P384()))
	keys := map[string]func(n int) crypto.Signer{
		"psk":  nil,
		"rsa":  func(n int) crypto.Signer { return pki.RSA(2048, n) },
		"p384": func(int) crypto.Signer { return pki.ECDSA(elliptic.P384()) },
	}
	for kind, key := range keys {
		t.Run(kind, func(t *testing.T) {
			d := newDuo(t, aggressive, func(a, b *sa.Settings) {
				if key != nil {
					now := pki.Valid(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
					certify(t, a, root.Issue("a", key(1), pki.Names("a.example"), now), "a.example", "b.example", root.Certificate)
					certify(t, b, root.Issue("b", key(2), pki.Names("b.example"), now), "b.example", "a.example", root.Certificate)
				}
			})
			d.a.up()
			d.settle()
			d.wantUp()
			const aggressive, quick = isakmp.ExchangeAggressive, isakmp.ExchangeQuick
			if got := d.a.kinds(); !slices.Equal(got, []isakmp.ExchangeType{aggressive, aggressive, quick, quick}) {
				t.Errorf("a sent %v", got)
			}
			if x, y := d.a.m.Snapshot().IKE[0], d.b.m.Snapshot().IKE[0]; x.LocalIdentity != y.RemoteIdentity || x.RemoteIdentity != y.LocalIdentity || x.LocalIdentity == "" || y.LocalIdentity == "" {
				t.Errorf("a is %q with %q, b %q with %q", x.LocalIdentity, x.RemoteIdentity, y.LocalIdentity, y.RemoteIdentity)
			}
			if c := d.a.m.Snapshot().Children[0].Child; c.Bare || c.Remote.Port() != 4500 {
				t.Errorf("the Child SA goes to %v, bare %v", c.Remote, c.Bare)
			}
			d.advance(20 * time.Hour) // new ones are made in the same way
			d.wantUp()
		})
	}
}

// Any message may be lost, and any two, the last of Aggressive Mode included,
// which nothing but the answer asks for.
func TestAggressiveModeSurvivesLoss(t *testing.T) {
	for i := 1; i <= 7; i++ {
		for j := i; j <= 7; j++ {
			t.Run(fmt.Sprintf("%d and %d", i, j), func(t *testing.T) {
				d := newDuo(t, aggressive)
				d.lose = func(n int) bool { return n == i || n == j }
				d.a.up()
				d.advance(time.Minute)
				d.wantUp()
			})
		}
	}
}

func TestAggressiveModeMismatches(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(a, b *sa.Settings)
		a, b sa.Reason
	}{
		{"not allowed", func(_, b *sa.Settings) { b.Aggressive = false }, sa.ReasonPeerError, sa.ReasonLocalRefused},
		{"another key", func(_, b *sa.Settings) { b.PSK = auth.NewSecret([]byte("another key")) }, sa.ReasonAuthenticationFailed, sa.ReasonAuthenticationFailed},
		{"another group", func(a, b *sa.Settings) {
			a.IKEProposals, b.IKEProposals = proposals(t, 1, "aes256-sha256-ecp256"), proposals(t, 1, "aes256-sha256-ecp384")
		}, sa.ReasonProposalMismatch, sa.ReasonProposalMismatch},
		{"an unknown identity", func(a, _ *sa.Settings) {
			a.LocalIdentity, _ = auth.ParseIdentity("somebody.example")
		}, sa.ReasonProposalMismatch, sa.ReasonIdentityMismatch},
		{"another identity of the responder", func(a, _ *sa.Settings) {
			a.RemoteIdentity, _ = auth.ParseIdentity("somebody.example")
		}, sa.ReasonIdentityMismatch, sa.ReasonAuthenticationFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDuo(t, aggressive, c.make)
			d.a.up()
			d.advance(20 * time.Second)
			if a, b := d.a.reason(), d.b.reason(); a != c.a || b != c.b {
				t.Errorf("a says %q and b %q, want %q and %q\n%s", a, b, c.a, c.b, d.failures())
			}
		})
	}
}

// A connection that allows Aggressive Mode still answers Main Mode, and one that
// does not begin it never does.
func TestAggressiveModeIsNotForced(t *testing.T) {
	d := newDuo(t, func(_, b *sa.Settings) { b.Aggressive = true })
	d.a.up()
	d.settle()
	d.wantUp()
	if got := d.a.kinds(); slices.Contains(got, isakmp.ExchangeAggressive) {
		t.Errorf("a sent %v", got)
	}
}

// A proof that anybody may have sent ends nothing: the true one follows.
func TestForgedProofInAggressiveMode(t *testing.T) {
	d := newDuo(t, aggressive)
	d.a.up()
	for range 2 { // b has answered, and a has proved itself
		p := d.wire[0]
		d.wire = d.wire[1:]
		p.to.receive(p)
	}
	last := d.wire[0]
	for _, clear := range []bool{true, false} {
		forged := last
		forged.raw = bytes.Clone(last.raw)
		if clear {
			m, err := isakmp.ParseMessage(last.raw)
			if err != nil {
				t.Fatal(err)
			}
			m.Flags, m.Payloads = 0, []isakmp.Payload{&isakmp.Hash{Data: make([]byte, 32)}}
			if forged.raw, err = m.Append(nil); err != nil {
				t.Fatal(err)
			}
		} else {
			forged.raw[len(forged.raw)-20] ^= 1
		}
		d.b.receive(forged)
		if len(d.b.m.sas) != 0 {
			t.Fatal("a forged proof is taken")
		}
	}
	d.settle()
	d.advance(time.Second)
	d.wantUp()
}

// The initiator may leave its proof in the clear, or encrypt it (RFC 2409 §5): it is checked
// either way.
func TestProofInTheClear(t *testing.T) {
	for _, right := range []bool{true, false} {
		for _, encrypted := range []bool{true, false} {
			d := newDuo(t, aggressive)
			d.a.up()
			for range 2 {
				p := d.wire[0]
				d.wire = d.wire[1:]
				p.to.receive(p)
			}
			s, p := d.a.m.current(), d.wire[0]
			h := s.header(isakmp.ExchangeAggressive, 0)
			proof := &isakmp.Hash{Data: s.proof(true, s.ownID)}
			if !right {
				proof.Data[0] ^= 1
			}
			raw, err := clearMessage(h, []isakmp.Payload{proof})
			if encrypted {
				half := d.b.acceptor.halves[0]
				raw, _, err = half.seal(h, []isakmp.Payload{proof}, half.iv)
			}
			if err != nil {
				t.Fatal(err)
			}
			p.raw = raw
			d.b.receive(p)
			proven := len(d.b.m.sas) == 1 && d.b.m.sas[0].proven
			if proven != right {
				t.Errorf("encrypted %v: a proof that is right %v is taken %v\n%s", encrypted, right, proven, d.failures())
			}
		}
	}
}

// TestAggressiveModeIsBounded: a stranger gets as many answers as the gate gives
// it, whatever it sends and repeats, and half-open SAs are bounded as in Main
// Mode.
func TestAggressiveModeIsBounded(t *testing.T) {
	d := newDuo(t, aggressive)
	d.a.up()
	first := d.wire[0]
	d.wire = nil
	for i := range 2000 {
		p := first
		p.raw = bytes.Clone(first.raw)
		p.raw[0], p.raw[1] = byte(i), byte(i>>8)|1
		d.b.receive(p)
		d.b.receive(p)
	}
	if n := len(d.b.out); n > 300 {
		t.Errorf("%d answers to one source within no time", n)
	}
	if n := d.b.acceptor.HalfOpen(); n > 64 {
		t.Errorf("%d half-open SAs of one source", n)
	}
	d.advance(time.Minute)
	if n := d.b.acceptor.HalfOpen(); n != 0 {
		t.Errorf("%d half-open SAs are left", n)
	}
}

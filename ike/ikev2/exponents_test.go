package ikev2_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"causeway/ike/keymat"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/ike/wire"
	"causeway/test/transcript"
)

// An exponent serves one exchange, and is erased when that is over, at both ends, also
// when the peer wants another group (RFC 7296 §2.12).
func TestExponentsAreErased(t *testing.T) {
	for _, group := range []string{"x25519", "modp2048"} {
		a, b := transcript.Pair()
		a.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-ecp256-"+group)
		b.IKEProposals = transcript.Proposals(transform.IKE, "aes256gcm16-prfsha256-"+group)
		a.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-ecp256-"+group)
		b.ESPProposals = transcript.Proposals(transform.ESP, "aes256gcm16-"+group)
		w := transcript.New(a, b, nil)
		var used []transform.PrivateKey
		run := func() {
			for len(w.Network) > 0 {
				used = append(append(used, w.A.Machine.Exponents()...), w.B.Acceptor.Exponents()...)
				w.Deliver(0)
			}
		}
		w.A.Up()
		run()
		w.A.Step(sa.Rekey{Children: true})
		run()
		w.A.Step(sa.Rekey{IKE: true})
		run()
		if len(used) < 6 {
			t.Fatalf("%s: %d exponents were seen", group, len(used))
		}
		for i, k := range used {
			g := k.Group()
			other, err := g.Generate(bytes.NewReader(bytes.Repeat([]byte{9}, 1000)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := k.Shared(other.Public()); err == nil {
				t.Errorf("exponent %d, of group %d, can still be used", i, g.ID())
			}
		}
	}
}

// The SKEYSEED of an IKE SA that replaces another is made with the PRF and the SK_d of
// that one, whatever its own PRF is (RFC 7296 §2.18).
func TestKeysOfASuccessor(t *testing.T) {
	w := tunnel(t)
	oldD := bytes.Clone(w.A.Machine.Secrets()[0])
	for _, h := range []*transcript.Host{w.A, w.B} {
		changed := *h.Settings
		changed.IKEProposals = transcript.Proposals(transform.IKE, "aes128gcm16-prfsha512-x25519")
		h.Machine.Reconfigure(&changed)
	}
	var nonces, shares [][]byte
	seed := []byte{}
	see := func(_ wire.Header, ps []wire.Payload) []wire.Payload {
		for _, p := range ps {
			switch p := p.(type) {
			case *wire.Nonce:
				nonces = append(nonces, p.Data)
			case *wire.KeyExchange:
				shares = append(shares, p.Data)
			case *wire.SecurityAssociation:
				seed = append(seed, p.Proposals[0].SPI...)
			}
		}
		return ps
	}
	w.A.Faulty, w.B.Faulty = see, see
	w.A.Step(sa.Rekey{IKE: true})
	own := w.A.Machine.Exponents()[0]
	w.Deliver(0)
	shared, err := own.Shared(shares[1])
	if err != nil {
		t.Fatal(err)
	}
	w.DeliverAll()
	now := w.A.Machine.Snapshot().IKE
	old, _ := transform.NewPRF(transform.PRFHMACSHA256)
	p := transcript.Proposals(transform.IKE, "aes128gcm16-prfsha512-x25519")
	suite, _, err := transform.Match(transform.IKE, p, p)
	if err != nil || len(now) != 1 {
		t.Fatalf("a has %d IKE SAs: %v", len(now), err)
	}
	want := keymat.DeriveIKE(suite, keymat.SKEYSEEDRekey(old, oldD, shared, nonces[0], nonces[1]), nonces[0], nonces[1],
		binary.BigEndian.Uint64(seed[:8]), binary.BigEndian.Uint64(seed[8:]))
	got := w.A.Machine.Secrets()[5:10] // those of the old one are erased
	if !slices.EqualFunc(got, [][]byte{want.D, want.EI, want.ER, want.PI, want.PR}, bytes.Equal) {
		t.Error("the keys of the new IKE SA are made otherwise")
	}
}

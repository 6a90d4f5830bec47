package ikev2

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"causeway/ike/keymat"
	"causeway/ike/wire"
)

// AUTH covers the sender's own first message, the nonce of the other end, and
// prf(SK_p, identity) with the sender's SK_p (RFC 7296 §2.15).
func TestAuthOctets(t *testing.T) {
	a, _ := pipe(t, "aes256-sha256-x25519")
	a.initRequest, a.initResponse = []byte("request "), []byte("response ")
	a.nonceI, a.nonceR = []byte("Ni "), []byte("Nr ")
	for byInitiator, want := range map[bool][]byte{
		true:  a.prf.Sum([]byte("request Nr "), a.keys.PI, []byte("identity")),
		false: a.prf.Sum([]byte("response Ni "), a.keys.PR, []byte("identity")),
	} {
		if got := a.authOctets(byInitiator, []byte("identity"), nil); !bytes.Equal(got, want) {
			t.Errorf("by the initiator %v: AUTH covers %q", byInitiator, got)
		}
	}
}

// What AUTH covers of IKE_INTERMEDIATE: for each end prf(SK_p, what was before | the
// message's headers with lengths as if it were not encrypted | its payloads), that of the
// initiator first, and the message ID of IKE_AUTH (RFC 9242 §3.3.2).
func TestOctetsOfIntermediate(t *testing.T) {
	a, _ := pipe(t, "aes256-sha256-x25519")
	chains := map[bool][]byte{}
	for id := uint32(1); id <= 2; id++ {
		for _, byInitiator := range []bool{true, false} {
			m, err := draftOf(a.header(wire.ExchangeIKEIntermediate, !byInitiator, id), []wire.Payload{&wire.KeyExchange{Group: 36, Data: make([]byte, 10*id)}})
			if err != nil {
				t.Fatal(err)
			}
			header := binary.BigEndian.AppendUint64(nil, a.spiI)
			header = binary.BigEndian.AppendUint64(header, a.spiR)
			flags, key := byte(0x08), a.keys.PI
			if !byInitiator { // the sender is still the initiator of this association
				flags, key = 0x28, a.keys.PR
			}
			header = append(header, 46, 0x20, 43, flags, 0, 0, 0, byte(id), 0, 0, 0, byte(32+len(m.plain)))
			header = append(header, 34, 0, 0, byte(4+len(m.plain))) // SK, a KE payload first
			chains[byInitiator] = a.prf.Sum(nil, key, slices.Concat(chains[byInitiator], header, m.plain))
			a.chain(m, byInitiator)
		}
	}
	want := slices.Concat([]byte("octets"), chains[true], chains[false], []byte{0, 0, 0, 3})
	if got := a.withIntermediates([]byte("octets")); !bytes.Equal(got, want) {
		t.Errorf("AUTH covers\n%x, not\n%x", got, want)
	}
}

// After an additional key exchange all keys are made anew, of SK_d, its secret and the
// nonces (RFC 9370 §2.2.2).
func TestKeysAfterAnAdditionalExchange(t *testing.T) {
	a, _ := pipe(t, "aes256-sha256-x25519")
	a.nonceI, a.nonceR = []byte("Ni"), []byte("Nr")
	shared := []byte("the secret of the second method")
	want := keymat.DeriveIKE(a.suite, a.prf.Sum(nil, a.keys.D, shared, []byte("NiNr")), a.nonceI, a.nonceR, a.spiI, a.spiR)
	if err := a.renewKeys(bytes.Clone(shared)); err != nil {
		t.Fatal(err)
	}
	got, expected := a.keys, want
	if !bytes.Equal(got.D, expected.D) || !bytes.Equal(got.EI, expected.EI) || !bytes.Equal(got.PR, expected.PR) {
		t.Error("the keys are made otherwise")
	}
}

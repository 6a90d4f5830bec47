package keymat

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"causeway/ike/transform"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The NIST CAVS cases for the key derivation of SP 800-135 §4.1.1 that
// libreswan keeps as programs/cavp/test.acvp.ikev1_psk and ikev1_dsa: SHA-1.
func TestIKEv1KeysOfCAVS(t *testing.T) {
	for _, c := range []struct{ name, psk, ni, nr, ci, cr, shared, skeyid, d, a, e string }{
		{"psk", "75", "b9a2d0e922dc66dd", "2130166863b5ddef", "83d374c30b3b5082", "5afc0da06c728029",
			"739003ba2c11c982946c65e26acf661fbf8ebb78011a9fead79efa12fe3e71cc",
			"62b04d112877e442fc3282fc37c076997718a0b9", "369e5aad1bdb5faf6a3d929d500cdc236710a9ab",
			"588e957d8d790d093b3a39f121473473af78e9bb", "cd74b0c048219db81384d3fda8f6cda51e398a2b"},
		{"signatures", "", "69a62284195f1680", "80c94ba25c8abda5", "8c3bcd3a69831d7f", "d2d9a7ff4fbe95a7",
			"8ba4cbc73c0187301dc19a975823854dbd641c597f637f8d053a83b9514673eb",
			"707197817fb2d90cf54d1842606bdea59b9f4823", "384be709a8a5e63c3ed160cfe3921c4b37d5b32d",
			"48b327575abe3adba0f279849e289022a13e2b47", "a4a415c8e0c38c0da847c356cc61c24df8025560"},
	} {
		prf, err := transform.NewPRF(transform.PRFHMACSHA1)
		if err != nil {
			t.Fatal(err)
		}
		ni, nr, shared := unhex(t, c.ni), unhex(t, c.nr), unhex(t, c.shared)
		skeyid := SKEYIDFromPSK(prf, unhex(t, c.psk), ni, nr)
		if c.psk == "" {
			skeyid = SKEYIDFromSignatures(prf, ni, nr, shared)
		}
		k := DeriveIKEv1(prf, skeyid, shared, binary.BigEndian.Uint64(unhex(t, c.ci)), binary.BigEndian.Uint64(unhex(t, c.cr)))
		for _, part := range []struct {
			name string
			got  []byte
			want string
		}{{"SKEYID", k.SKEYID, c.skeyid}, {"SKEYID_d", k.D, c.d}, {"SKEYID_a", k.A, c.a}, {"SKEYID_e", k.E, c.e}} {
			if !bytes.Equal(part.got, unhex(t, part.want)) {
				t.Errorf("%s: %s is %x, want %s", c.name, part.name, part.got, part.want)
			}
		}
	}
}

// Keys longer than one output of the PRF are expanded; the parts are prefixes
// of one stream, whatever is cut from it.
func TestIKEv1Expansion(t *testing.T) {
	prf, err := transform.NewPRF(transform.PRFHMACSHA1)
	if err != nil {
		t.Fatal(err)
	}
	e := bytes.Repeat([]byte{7}, 20)
	if got := IKEv1CipherKey(prf, e, 16); !bytes.Equal(got, e[:16]) {
		t.Errorf("a short key is not the start of SKEYID_e: %x", got)
	}
	k1 := prf.Sum(nil, e, []byte{0})
	want := append(bytes.Clone(k1), prf.Sum(nil, e, k1)...)[:32]
	if got := IKEv1CipherKey(prf, e, 32); !bytes.Equal(got, want) {
		t.Errorf("K1 | K2 is %x, want %x", got, want)
	}
	suite := transform.Suite{Protocol: transform.ESP,
		Encryption: transform.Transform{Type: transform.Encryption, ID: transform.AESCBC, KeyBits: 256},
		Integrity:  transform.Transform{Type: transform.Integrity, ID: transform.HMACSHA256128}}
	ni, nr := []byte("initiator"), []byte("responder")
	enc, integ := IKEv1ChildKeys(suite, prf, e, []byte("g^xy"), 0xc0ffee01, ni, nr)
	seed := append([]byte("g^xy\x03\xc0\xff\xee\x01"), "initiatorresponder"...)
	var stream, last []byte
	for range 4 {
		last = prf.Sum(nil, e, last, seed)
		stream = append(stream, last...)
	}
	if !bytes.Equal(append(enc, integ...), stream[:64]) {
		t.Errorf("KEYMAT is %x %x, want %x", enc, integ, stream[:64])
	}
}

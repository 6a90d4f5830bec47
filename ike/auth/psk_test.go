package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"causeway/ike/transform"
)

// TestPSK computes RFC 7296 §2.15 with crypto/hmac alone.
func TestPSK(t *testing.T) {
	prf, err := transform.NewPRF(transform.PRFHMACSHA256)
	if err != nil {
		t.Fatal(err)
	}
	octets := []byte("the first message | nonce | MACed ID")
	sum := func(key, data []byte) []byte {
		m := hmac.New(sha256.New, key)
		m.Write(data)
		return m.Sum(nil)
	}
	want := sum(sum([]byte("secret"), []byte("Key Pad for IKEv2")), octets)
	got := PSK(prf, NewSecret([]byte("secret")), octets)
	if !hmac.Equal(got, want) {
		t.Errorf("AUTH is %x", got)
	}
	// The same by Python's hmac module: a figure of an independent program.
	if hex.EncodeToString(got) != goldenPSK {
		t.Errorf("AUTH is %x, another program says %s", got, goldenPSK)
	}
}

func TestVerifyPSK(t *testing.T) {
	for _, id := range []uint16{transform.PRFHMACSHA1, transform.PRFHMACSHA256, transform.PRFHMACSHA384, transform.PRFHMACSHA512} {
		prf, err := transform.NewPRF(id)
		if err != nil {
			t.Fatal(err)
		}
		secret, octets := NewSecret([]byte("secret")), []byte("octets")
		auth := PSK(prf, secret, octets)
		if len(auth) != prf.Size() || !VerifyPSK(prf, secret, octets, auth) {
			t.Errorf("prf %d: the right AUTH is refused", id)
		}
		for bit := range len(auth) * 8 {
			bad := append([]byte(nil), auth...)
			bad[bit/8] ^= 1 << (bit % 8)
			if VerifyPSK(prf, secret, octets, bad) {
				t.Errorf("prf %d: bit %d does not matter", id, bit)
			}
		}
		for n := range auth {
			if VerifyPSK(prf, secret, octets, auth[:n]) {
				t.Errorf("prf %d: %d octets are enough", id, n)
			}
		}
		if VerifyPSK(prf, secret, octets, append(auth, 0)) || VerifyPSK(prf, NewSecret([]byte("Secret")), octets, auth) ||
			VerifyPSK(prf, secret, []byte("others"), auth) {
			t.Errorf("prf %d: something wrong verifies", id)
		}
		if VerifyPSK(prf, Secret{}, octets, PSK(prf, Secret{}, octets)) {
			t.Errorf("prf %d: the empty secret verifies", id)
		}
	}
}

const goldenPSK = "fb674cc337eb54260bbf816fbbb0d068e1402d92dab8b6d233b6d6cfeb644fcd"

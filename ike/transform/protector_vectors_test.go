package transform

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"causeway/esp/ccm"
)

// TestChaChaMessage is RFC 7634 appendix B: an Encrypted payload with a Notify
// payload in it. Its initialization vector is where the counter starts.
func TestChaChaMessage(t *testing.T) {
	unhex := func(text string) []byte {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	material := unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f" + "a0a1a2a3")
	prefix := unhex("c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029")
	iv := unhex("1011121314151617")
	plain := unhex("0000000c000040010000000a")
	want := slices.Concat(prefix, iv, unhex("610394701f8d017f7c12924889"), unhex("6b71bfe25236efd7cdc67066906315b2"))

	p, err := NewProtector(suiteOf(t, IKE, "chacha20poly1305-prfsha256-ecp256"), material, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Seal(bytes.Clone(prefix), prefix, plain, bytes.NewReader(iv))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("sealed as %x, %v, want %x", got, err, want)
	}
	if got, err := p.Open(want, len(prefix)); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened as %x, %v", got, err)
	}
}

// TestCCMMessage takes a message apart with package ccm alone: three octets of
// salt before the IV, and the associated data up to the IV (RFC 5282 §4, §5.1).
func TestCCMMessage(t *testing.T) {
	for text, icv := range map[string]int{
		"aes128ccm16-prfsha256-ecp256": 16, "aes192ccm12-prfsha256-ecp256": 12, "aes256ccm8-prfsha256-ecp256": 8,
	} {
		prefix := octets(32, 9)
		body, err := protector(t, text).Seal(nil, prefix, []byte("inner payloads"), seeded(1))
		if err != nil {
			t.Fatal(err)
		}
		material := octets(suiteOf(t, IKE, text).EncryptionKeyLen(), 1)
		n := len(material) - 3
		key, err := ccm.NewKey(material[:n], 11, icv)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := key.AEAD().Open(nil, slices.Concat(material[n:], body[:8]), body[8:], prefix)
		if err != nil || string(plain) != "inner payloads\x00" {
			t.Errorf("%s: %q, %v", text, plain, err)
		}
	}
}

func TestReadable(t *testing.T) {
	for text, want := range map[string]string{
		"aes256gcm16": "", "aes128-sha256": "", "chacha20poly1305-esn": "",
		"null-sha256": "null", "aes128gmac": "aes128gmac", "aes256-null-sha256": "null",
	} {
		if got, ok := must(t, ESP, text).Readable(); got.String() != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", text, got, ok)
		}
	}
}

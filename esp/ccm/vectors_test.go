package ccm

import (
	"bytes"
	"testing"

	"causeway/test/vectors"
)

// published are example 3 of SP 800-38C appendix C and packet vectors of RFC
// 3610 §8.
var published = []struct{ name, key, nonce, aad, plaintext, sealed string }{
	{"SP 800-38C example 3", "404142434445464748494a4b4c4d4e4f", "101112131415161718191a1b",
		"000102030405060708090a0b0c0d0e0f10111213", "202122232425262728292a2b2c2d2e2f3031323334353637",
		"e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951"},
	{"RFC 3610 packet vector 1", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000003020100a0a1a2a3a4a5",
		"0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
		"588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"},
	{"RFC 3610 packet vector 2", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000004030201a0a1a2a3a4a5",
		"0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916"},
	{"RFC 3610 packet vector 3", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000005040302a0a1a2a3a4a5",
		"0001020304050607", "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
		"51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5"},
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range published {
		plaintext, sealed := vectors.Bytes(t, v.plaintext), vectors.Bytes(t, v.sealed)
		n := len(plaintext)
		check(t, v.name, [6][]byte{vectors.Bytes(t, v.key), vectors.Bytes(t, v.nonce), vectors.Bytes(t, v.aad), plaintext, sealed[:n], sealed[n:]}, false)
	}
}

func TestWycheproof(t *testing.T) {
	const name = "testdata/wycheproof.txt"
	n := 0
	for at, fields := range vectors.Lines(t, name) {
		n++
		var v [6][]byte
		forged := fields[3] == "FAIL"
		for i := range v {
			if i != 3 || !forged {
				v[i] = vectors.Bytes(t, fields[i])
			}
		}
		check(t, at, v, forged)
	}
	if n < 360 {
		t.Errorf("%s has %d vectors only", name, n)
	}
}

// check seals and opens key, nonce, additional data, plaintext, ciphertext, tag.
func check(t *testing.T, name string, v [6][]byte, forged bool) {
	t.Helper()
	nonce, aad, plaintext, s := v[1], v[2], v[3], new(Scratch)
	k := mustKey(t, v[0], len(nonce), len(v[5]))
	sealed := append(bytes.Clone(v[4]), v[5]...)
	opened := bytes.Repeat([]byte{0xa5}, len(v[4]))
	err := k.Open(s, opened, nonce, sealed, aad)
	if forged {
		if err != ErrOpen || !bytes.Equal(opened, make([]byte, len(opened))) {
			t.Errorf("%s: forged, but opened as %x, %v", name, opened, err)
		}
		return
	}
	if err != nil || !bytes.Equal(opened, plaintext) {
		t.Errorf("%s: opened as %x, %v, want %x", name, opened, err, plaintext)
	}
	got := make([]byte, len(sealed))
	k.Seal(s, got, nonce, plaintext, aad)
	if !bytes.Equal(got, sealed) {
		t.Errorf("%s: sealed as %x, want %x", name, got, sealed)
	}
}

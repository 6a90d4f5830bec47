package esp

import (
	"bytes"
	"testing"

	aesgcm "causeway/esp/gcm"
	"causeway/test/vectors"
)

// TestWycheproof has the vectors for ChaCha20-Poly1305 and AES-GMAC. Those for AES-GCM
// and AES-CCM are with them, and the PRFs' in ike/transform hold for the HMACs here.
func TestWycheproof(t *testing.T) {
	seen := map[string]int{}
	for at, f := range vectors.Lines(t, "testdata/wycheproof.txt") {
		var values [][]byte
		for _, text := range f[1 : len(f)-1] {
			values = append(values, vectors.Bytes(t, text))
		}
		check := map[string]func(*testing.T, [][]byte, bool) bool{"chacha": chachaVector, "gmac": gmacVector}[f[0]]
		if !check(t, values, f[len(f)-1] == "valid") {
			t.Errorf("%s: %s", at, f)
		}
		seen[f[0]]++
	}
	if seen["chacha"] < 40 || seen["gmac"] < 40 {
		t.Errorf("only %v vectors", seen)
	}
}

// chachaVector holds key, nonce, additional data, plaintext, ciphertext and tag.
func chachaVector(t *testing.T, v [][]byte, valid bool) bool {
	c, err := newChaCha(Parameters{Cipher: ChaCha20Poly1305, EncryptionKey: append(bytes.Clone(v[0]), make([]byte, chachaSaltLen)...)})
	if err != nil {
		t.Fatal(err)
	}
	sealed := append(bytes.Clone(v[4]), v[5]...)
	opened, err := c.key.Open(nil, v[1], sealed, v[2])
	if !valid {
		return err != nil
	}
	return err == nil && bytes.Equal(opened, v[3]) && bytes.Equal(c.key.Seal(nil, v[1], v[3], v[2]), sealed)
}

// gmacVector holds key, nonce, message and tag.
func gmacVector(t *testing.T, v [][]byte, valid bool) bool {
	g, err := newGMAC(Parameters{Cipher: AESGMAC, EncryptionKey: append(bytes.Clone(v[0]), make([]byte, gcmSaltLen)...)})
	if err != nil {
		t.Fatal(err)
	}
	nonce, tag := (*[aesgcm.NonceSize]byte)(v[1]), make([]byte, aesgcm.TagSize)
	if err := g.key.Open(nil, nonce, v[3], v[2]); !valid {
		return err != nil
	} else if err != nil {
		return false
	}
	g.key.Seal(tag, nonce, nil, v[2])
	return bytes.Equal(tag, v[3])
}

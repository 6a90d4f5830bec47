package tripledes

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestVector is the example of NIST SP 800-67 rev. 1, appendix B.1.
func TestVector(t *testing.T) {
	c, err := NewCipher(unhex(t, "0123456789abcdef23456789abcdef01456789abcdef0123"))
	if err != nil {
		t.Fatal(err)
	}
	plain, sealed := []byte("The qufck brown fox jump"), unhex(t, "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900")
	for at := 0; at < len(plain); at += BlockSize {
		got := make([]byte, BlockSize)
		if c.Encrypt(got, plain[at:]); !bytes.Equal(got, sealed[at:at+BlockSize]) {
			t.Errorf("block %d encrypts to %x", at/BlockSize, got)
		}
		if c.Decrypt(got, sealed[at:]); !bytes.Equal(got, plain[at:at+BlockSize]) {
			t.Errorf("block %d decrypts to %q", at/BlockSize, got)
		}
	}
}

// TestDegenerateKeys: parity bits make no key better (RFC 2451 §2.3).
func TestDegenerateKeys(t *testing.T) {
	for _, key := range []string{
		"0123456789abcdef0123456789abcdef456789abcdef0123",
		"0123456789abcdef456789abcdef0123456789abcdef0123",
		"0123456789abcdef0022446688aaccee456789abcdef0123",
		"0000000000000000000000000000000000000000000000ff",
	} {
		if _, err := NewCipher(unhex(t, key)); !errors.Is(err, ErrDegenerate) {
			t.Errorf("%s: %v", key, err)
		}
	}
	// The first and the last may be the same: two-key Triple-DES.
	if _, err := NewCipher(unhex(t, "0123456789abcdef23456789abcdef010123456789abcdef")); err != nil {
		t.Error(err)
	}
	for _, n := range []int{0, 8, 16, 23, 25, 32} {
		if _, err := NewCipher(make([]byte, n)); err == nil {
			t.Errorf("a key of %d octets is taken", n)
		}
	}
}

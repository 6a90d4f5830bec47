// Package tripledes makes Triple-DES ciphers (DES-EDE3) for IPsec (RFC 2451),
// which has a rule of its own for keys. Blocks are of 64 bits, so that a key may
// only encrypt little: see VolumeLimit.
package tripledes

import (
	"crypto/cipher"
	"crypto/des" //nolint:gosec // old devices have nothing better; configured by name only
	"errors"
)

const (
	// BlockSize is in octets.
	BlockSize = des.BlockSize
	// KeyLen is in octets, parity bits included.
	KeyLen = 24
	// VolumeLimit is how many octets one key may encrypt: 2^27 blocks, with which
	// two blocks are the same with a probability of 2^-11, so that they tell the
	// difference of two plaintexts (Bhargavan and Leurent, "Sweet32", 2016).
	VolumeLimit = 1 << 30
)

// ErrDegenerate is a key whose first two or last two parts are the same, which
// RFC 2451 §2.3 forbids: it is no more than one DES.
var ErrDegenerate = errors.New("tripledes: the key is degenerate")

// NewCipher makes the cipher of a key of KeyLen octets. It keeps no reference to
// key, and is safe for concurrent use.
func NewCipher(key []byte) (cipher.Block, error) {
	if len(key) != KeyLen {
		return nil, errors.New("tripledes: a key has 24 octets")
	}
	if same(key[:8], key[8:16]) || same(key[8:16], key[16:]) {
		return nil, ErrDegenerate
	}
	return des.NewTripleDESCipher(key)
}

// same compares two parts without their parity bits, in constant time.
func same(a, b []byte) bool {
	var differs byte
	for i := range a {
		differs |= (a[i] ^ b[i]) &^ 1
	}
	return differs == 0
}

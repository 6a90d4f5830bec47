package transform

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"causeway/esp/tripledes"
)

// NewBlock is the block cipher of a CBC encryption. IKEv1 chains its
// initialisation vectors itself (RFC 2409 appendix B).
func NewBlock(encryption Transform, key []byte) (cipher.Block, error) {
	switch {
	case encryption.Type != Encryption:
	case encryption.ID == AESCBC && len(key) == int(encryption.KeyBits)/8:
		return aes.NewCipher(key)
	case encryption.ID == TripleDES && encryption.KeyBits == 0:
		return tripledes.NewCipher(key)
	}
	return nil, fmt.Errorf("transform: no block cipher for %v with a key of %d octets", encryption, len(key))
}

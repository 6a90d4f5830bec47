package transform

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// NewBlock is the block cipher of a CBC encryption, for IKEv1, which chains its
// initialisation vectors itself (RFC 2409 appendix B).
func NewBlock(encryption Transform, key []byte) (cipher.Block, error) {
	if encryption.Type == Encryption && encryption.ID == AESCBC && len(key) == int(encryption.KeyBits)/8 {
		return aes.NewCipher(key)
	}
	return nil, fmt.Errorf("transform: no block cipher for %v with a key of %d octets", encryption, len(key))
}

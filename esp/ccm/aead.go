package ccm

import (
	"crypto/cipher"
	"slices"
)

// AEAD returns the key as a cipher.AEAD, for code that takes any. It allocates
// for each message.
func (k *Key) AEAD() cipher.AEAD { return aead{k} }

type aead struct{ *Key }

// Seal implements cipher.AEAD.
func (a aead) Seal(dst, nonce, plaintext, aad []byte) []byte {
	start, n := len(dst), len(plaintext)+a.tag
	dst = slices.Grow(dst, n)[:start+n]
	a.Key.Seal(new(Scratch), dst[start:], nonce, plaintext, aad)
	return dst
}

// Open implements cipher.AEAD.
func (a aead) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	if len(ciphertext) < a.tag {
		return nil, ErrOpen
	}
	start, n := len(dst), len(ciphertext)-a.tag
	dst = slices.Grow(dst, n)[:start+n]
	if err := a.Key.Open(new(Scratch), dst[start:], nonce, ciphertext, aad); err != nil {
		return nil, err
	}
	return dst, nil
}

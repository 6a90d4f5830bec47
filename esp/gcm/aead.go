package gcm

import "crypto/cipher"

// AEAD returns the key as a cipher.AEAD, for code that takes any.
func (k *Key) AEAD() cipher.AEAD { return aead{k} }

type aead struct{ *Key }

func (a aead) NonceSize() int { return NonceSize }

// Seal implements cipher.AEAD.
func (a aead) Seal(dst, nonce, plaintext, aad []byte) []byte {
	whole, out := grow(dst, len(plaintext)+a.tag)
	a.Key.Seal(out, (*[NonceSize]byte)(nonce), plaintext, aad)
	return whole
}

// Open implements cipher.AEAD.
func (a aead) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	if len(ciphertext) < a.tag {
		return nil, ErrOpen
	}
	whole, out := grow(dst, len(ciphertext)-a.tag)
	if err := a.Key.Open(out, (*[NonceSize]byte)(nonce), ciphertext, aad); err != nil {
		return nil, err
	}
	return whole, nil
}

// grow lengthens dst by n bytes and returns it whole and its new part.
func grow(dst []byte, n int) (whole, added []byte) {
	if cap(dst)-len(dst) >= n {
		whole = dst[:len(dst)+n]
	} else {
		whole = make([]byte, len(dst)+n)
		copy(whole, dst)
	}
	return whole, whole[len(dst):]
}

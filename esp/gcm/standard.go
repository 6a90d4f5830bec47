package gcm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"sync"
)

func newStandard(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// sealStandard cuts shorter tags itself: crypto/cipher has none of 8 bytes, and
// with tags of 12 its assembly (Go 1.26) writes up to three bytes beyond them.
func (k *Key) sealStandard(dst []byte, nonce *[NonceSize]byte, src, aad []byte) {
	n := len(dst) - k.tag
	if n != len(src) {
		copy(dst, src)
		src = dst[:n]
	}
	if k.tag == TagSize {
		k.standard.Seal(dst[:0:len(dst)], nonce[:], src, aad)
		return
	}
	room := rooms.Get().(*[]byte)
	*room = k.standard.Seal((*room)[:0], nonce[:], src, aad)
	copy(dst, *room)
	rooms.Put(room)
}

func (k *Key) openStandard(dst []byte, nonce *[NonceSize]byte, ciphertext, aad []byte) bool {
	if k.tag == TagSize {
		_, err := k.standard.Open(dst[:0:len(dst)], nonce[:], ciphertext, aad)
		return err == nil
	}
	// Sealing a ciphertext gives the plaintext, and sealing that the tag.
	n := len(dst)
	room := rooms.Get().(*[]byte)
	*room = k.standard.Seal((*room)[:0], nonce[:], ciphertext[:n], aad)
	*room = k.standard.Seal((*room)[:0], nonce[:], (*room)[:n], aad)
	ok := subtle.ConstantTimeCompare((*room)[n:n+k.tag], ciphertext[n:]) == 1
	if ok {
		k.standard.Seal((*room)[:0], nonce[:], (*room)[:n], aad)
		copy(dst, (*room)[:n])
	}
	clear(*room)
	rooms.Put(room)
	return ok
}

// rooms are buffers for messages with short tags, which ESP peers hardly use.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

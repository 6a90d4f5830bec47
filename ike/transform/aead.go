package transform

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"causeway/esp/ccm"
	"causeway/esp/gcm"
)

// aeadIVLen is the part of the nonce that is sent, the same for all of them
// (RFC 5282 §3.1, RFC 7634 §2).
const aeadIVLen = 8

// aeadShape is what of an AEAD is not the same for all of them.
type aeadShape struct {
	saltLen int // octets of keying material behind the key
	icvLen  int
	// make is nil for what has no place in IKE.
	make func(key []byte) (cipher.AEAD, error)
}

// aeadOf finds the AEAD of a transform ID of type Encryption.
func aeadOf(id uint16) (aeadShape, bool) {
	switch id {
	case AESGCM16:
		return aeadShape{4, 16, standardGCM}, true
	case AESGCM12:
		return aeadShape{4, 12, shortGCM(12)}, true
	case AESGCM8:
		return aeadShape{4, 8, shortGCM(8)}, true
	case AESCCM16:
		return aeadShape{3, 16, aesCCM(16)}, true
	case AESCCM12:
		return aeadShape{3, 12, aesCCM(12)}, true
	case AESCCM8:
		return aeadShape{3, 8, aesCCM(8)}, true
	case ChaCha20Poly1305:
		return aeadShape{4, 16, chacha20poly1305.New}, true
	case AESGMAC:
		return aeadShape{4, 16, nil}, true
	}
	return aeadShape{}, false
}

func standardGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// shortGCM is not from crypto/cipher, which has no ICV of 8 octets.
func shortGCM(icvLen int) func(key []byte) (cipher.AEAD, error) {
	return func(key []byte) (cipher.AEAD, error) {
		k, err := gcm.NewKeyWithTagSize(key, icvLen)
		if err != nil {
			return nil, err
		}
		return k.AEAD(), nil
	}
}

func aesCCM(icvLen int) func(key []byte) (cipher.AEAD, error) {
	return func(key []byte) (cipher.AEAD, error) {
		k, err := ccm.NewKey(key, 3+aeadIVLen, icvLen)
		if err != nil {
			return nil, err
		}
		return k.AEAD(), nil
	}
}

// newAEAD makes the cipher of a transform and takes the salt from the end of
// its keying material.
func newAEAD(t Transform, key []byte) (aead cipher.AEAD, salt []byte, err error) {
	shape, ok := aeadOf(t.ID)
	if !ok || shape.make == nil || len(key) < shape.saltLen {
		return nil, nil, fmt.Errorf("encryption %d is not supported", t.ID)
	}
	n := len(key) - shape.saltLen
	aead, err = shape.make(key[:n])
	return aead, key[n:], err
}

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
	// make is nil for what has no place in IKE.
	make func(key []byte) (cipher.AEAD, error)
}

// aeads are the AEADs by their transform IDs of type Encryption.
var aeads = map[uint16]aeadShape{
	AESGCM16:         {4, standardGCM},
	AESGCM12:         {4, shortGCM(12)},
	AESGCM8:          {4, shortGCM(8)},
	AESCCM16:         {3, aesCCM(16)},
	AESCCM12:         {3, aesCCM(12)},
	AESCCM8:          {3, aesCCM(8)},
	ChaCha20Poly1305: {4, chacha20poly1305.New},
	AESGMAC:          {4, nil},
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
	shape, ok := aeads[t.ID]
	if !ok || shape.make == nil || len(key) < shape.saltLen {
		return nil, nil, fmt.Errorf("encryption %d is not supported", t.ID)
	}
	n := len(key) - shape.saltLen
	aead, err = shape.make(key[:n])
	return aead, key[n:], err
}

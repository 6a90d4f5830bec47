package transform

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

const (
	gcmSaltLen = 4  // RFC 5282 §7.1
	gcmIVLen   = 8  // RFC 5282 §3.1
	gcmICVLen  = 16 // AES-GCM-16
)

// gcmProtection is AES-GCM by RFC 5282: the nonce is salt | IV, the associated
// data everything before the IV (RFC 5282 §5.1).
type gcmProtection struct {
	aead cipher.AEAD
	salt [gcmSaltLen]byte
	// next is the IV to come: a counter, because under one key no IV may come
	// twice (RFC 5282 §3.1). It starts at random, so that it tells nothing.
	next    uint64
	started bool
}

func newGCMProtection(key []byte) (*gcmProtection, error) {
	block, err := aes.NewCipher(key[:len(key)-gcmSaltLen])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &gcmProtection{aead: aead, salt: [gcmSaltLen]byte(key[len(key)-gcmSaltLen:])}, nil
}

// overhead has the pad length octet, which an AEAD carries with no padding.
func (g *gcmProtection) overhead(int) int { return gcmIVLen + 1 + gcmICVLen }

func (g *gcmProtection) seal(dst, prefix, plaintext []byte, random io.Reader) ([]byte, error) {
	if !g.started {
		var start [gcmIVLen]byte
		if _, err := io.ReadFull(random, start[:]); err != nil {
			return dst, fmt.Errorf("transform: drawing an IV: %w", err)
		}
		g.next, g.started = binary.BigEndian.Uint64(start[:]), true
	}
	var nonce [gcmSaltLen + gcmIVLen]byte
	copy(nonce[:], g.salt[:])
	binary.BigEndian.PutUint64(nonce[gcmSaltLen:], g.next)
	g.next++

	dst = slices.Grow(dst, len(plaintext)+g.overhead(len(plaintext)))
	dst = append(dst, nonce[gcmSaltLen:]...)
	text := len(dst)
	dst = append(dst, plaintext...)
	dst = append(dst, 0) // pad length
	return g.aead.Seal(dst[:text], nonce[:], dst[text:], prefix), nil
}

func (g *gcmProtection) open(prefix, body []byte) ([]byte, error) {
	if len(body) < g.overhead(0) {
		return nil, ErrLength
	}
	var nonce [gcmSaltLen + gcmIVLen]byte
	copy(nonce[:], g.salt[:])
	copy(nonce[gcmSaltLen:], body)
	plain, err := g.aead.Open(nil, nonce[:], body[gcmIVLen:], prefix)
	if err != nil {
		return nil, ErrAuthentication
	}
	return unpad(plain)
}

func (g *gcmProtection) erase() { clear(g.salt[:]) }

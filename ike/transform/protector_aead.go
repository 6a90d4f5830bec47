package transform

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// aeadProtection is an AEAD by RFC 5282: the nonce is salt | IV, the associated
// data everything before the IV (RFC 5282 §5.1).
type aeadProtection struct {
	aead cipher.AEAD
	salt []byte
	// next is the IV to come: a counter, because under one key no IV may come
	// twice (RFC 5282 §3.1). It starts at random, so that it tells nothing.
	next    uint64
	started bool
}

func newAEADProtection(t Transform, key []byte) (*aeadProtection, error) {
	aead, salt, err := newAEAD(t, key)
	if err != nil {
		return nil, err
	}
	return &aeadProtection{aead: aead, salt: slices.Clone(salt)}, nil
}

// overhead has the pad length octet, which an AEAD carries with no padding.
func (a *aeadProtection) overhead(int) int { return aeadIVLen + 1 + a.aead.Overhead() }

func (a *aeadProtection) seal(dst, prefix, plaintext []byte, random io.Reader) ([]byte, error) {
	if !a.started {
		var start [aeadIVLen]byte
		if _, err := io.ReadFull(random, start[:]); err != nil {
			return dst, fmt.Errorf("transform: drawing an IV: %w", err)
		}
		a.next, a.started = binary.BigEndian.Uint64(start[:]), true
	}
	iv := binary.BigEndian.AppendUint64(nil, a.next)
	a.next++

	dst = slices.Grow(dst, len(plaintext)+a.overhead(len(plaintext)))
	dst = append(dst, iv...)
	text := len(dst)
	dst = append(dst, plaintext...)
	dst = append(dst, 0) // pad length
	return a.aead.Seal(dst[:text], slices.Concat(a.salt, iv), dst[text:], prefix), nil
}

func (a *aeadProtection) open(prefix, body []byte) ([]byte, error) {
	if len(body) < a.overhead(0) {
		return nil, ErrLength
	}
	plain, err := a.aead.Open(nil, slices.Concat(a.salt, body[:aeadIVLen]), body[aeadIVLen:], prefix)
	if err != nil {
		return nil, ErrAuthentication
	}
	return unpad(plain)
}

func (a *aeadProtection) erase() { clear(a.salt) }

package cookie

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"time"
)

// A cookie, as RFC 7296 §2.6 suggests, with HMAC-SHA-256 in place of a bare hash:
//
//	version of the secret (1) | HMAC(secret, len(Ni) (2) | Ni | IPi (16) | port (2) | SPIi (8)) (32)

const (
	secretLen = sha256.Size
	// cookieLen is within the 1 to 64 octets that RFC 7296 §2.6 allows.
	cookieLen = 1 + sha256.Size
)

// secrets makes and verifies cookies under a secret that changes with time. The previous secret stays valid for one
// more lifetime, so that a cookie lives at least one lifetime and less than two.
type secrets struct {
	random   io.Reader
	lifetime time.Duration

	version  uint8 // of current; the previous one is version-1
	current  *secret
	previous *secret   // nil: there is none
	since    time.Time // of current; zero until the first request
}

// secret is one of them, keyed once for all its cookies.
type secret struct {
	mac hash.Hash
	// fixed and sum are what a cookie needs room for on the way to mac and from it.
	fixed [2 + 16 + 2 + 8]byte
	sum   [sha256.Size]byte
}

func newSecrets(random io.Reader, lifetime time.Duration) (*secrets, error) {
	s := &secrets{random: random, lifetime: lifetime}
	var err error
	if s.current, err = drawSecret(random); err != nil {
		return nil, fmt.Errorf("cookie: cannot draw a secret: %w", err)
	}
	return s, nil
}

func drawSecret(random io.Reader) (*secret, error) {
	var key [secretLen]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return nil, err
	}
	return &secret{mac: hmac.New(sha256.New, key[:])}, nil
}

// derive is a key of its own for another purpose.
func (s *secret) derive(purpose string) (key [secretLen]byte) {
	s.mac.Reset()
	s.mac.Write([]byte(purpose))
	s.mac.Sum(key[:0])
	return key
}

// rotate replaces the secret when its time is over. Should the reader fail, the secret stays and the next request
// tries again: an old secret is better than none.
func (s *secrets) rotate(now time.Time) {
	if s.since.IsZero() {
		s.since = now
	}
	age := now.Sub(s.since)
	if age < s.lifetime {
		return
	}
	next, err := drawSecret(s.random)
	if err != nil {
		return
	}
	s.previous = s.current
	if age >= 2*s.lifetime {
		s.previous = nil
	}
	s.current = next
	s.version++
	s.since = now
}

// bake returns the cookie for a request.
func (s *secrets) bake(source netip.AddrPort, spiI uint64, ni []byte) []byte {
	return append(append(make([]byte, 0, cookieLen), s.version), s.current.mark(source, spiI, ni)...)
}

// verify reports whether the cookie was baked for such a request, in constant time but for its version.
func (s *secrets) verify(cookie []byte, source netip.AddrPort, spiI uint64, ni []byte) bool {
	if len(cookie) != cookieLen {
		return false
	}
	by := s.current
	switch {
	case cookie[0] == s.version:
	case cookie[0] == s.version-1 && s.previous != nil:
		by = s.previous
	default:
		return false
	}
	return hmac.Equal(cookie[1:], by.mark(source, spiI, ni))
}

// mark is what a cookie has behind its version, until the next one is made.
func (s *secret) mark(source netip.AddrPort, spiI uint64, ni []byte) []byte {
	fixed := s.fixed[:]
	binary.BigEndian.PutUint16(fixed[0:], uint16(len(ni)))
	ip := source.Addr().As16()
	copy(fixed[2:], ip[:])
	binary.BigEndian.PutUint16(fixed[18:], source.Port())
	binary.BigEndian.PutUint64(fixed[20:], spiI)
	s.mac.Reset()
	s.mac.Write(fixed[:2])
	s.mac.Write(ni)
	s.mac.Write(fixed[2:])
	return s.mac.Sum(s.sum[:0])
}

package cookie

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
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

	version     uint8 // of current; the previous one is version-1
	current     [secretLen]byte
	previous    [secretLen]byte
	hasPrevious bool
	since       time.Time // of current; zero until the first request
}

func newSecrets(random io.Reader, lifetime time.Duration) (*secrets, error) {
	s := &secrets{random: random, lifetime: lifetime}
	if _, err := io.ReadFull(random, s.current[:]); err != nil {
		return nil, fmt.Errorf("cookie: cannot draw a secret: %w", err)
	}
	return s, nil
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
	var next [secretLen]byte
	if _, err := io.ReadFull(s.random, next[:]); err != nil {
		return
	}
	s.previous, s.hasPrevious = s.current, age < 2*s.lifetime
	s.current = next
	s.version++
	s.since = now
}

// bake returns the cookie for a request.
func (s *secrets) bake(source netip.AddrPort, spiI uint64, ni []byte) []byte {
	return bake(s.version, &s.current, source, spiI, ni)
}

// verify reports whether the cookie was baked for such a request, in constant time but for its version.
func (s *secrets) verify(cookie []byte, source netip.AddrPort, spiI uint64, ni []byte) bool {
	if len(cookie) != cookieLen {
		return false
	}
	secret := &s.current
	switch {
	case cookie[0] == s.version:
	case cookie[0] == s.version-1 && s.hasPrevious:
		secret = &s.previous
	default:
		return false
	}
	return hmac.Equal(cookie, bake(cookie[0], secret, source, spiI, ni))
}

func bake(version uint8, secret *[secretLen]byte, source netip.AddrPort, spiI uint64, ni []byte) []byte {
	mac := hmac.New(sha256.New, secret[:])
	var fixed [2 + 16 + 2 + 8]byte
	binary.BigEndian.PutUint16(fixed[0:], uint16(len(ni)))
	ip := source.Addr().As16()
	copy(fixed[2:], ip[:])
	binary.BigEndian.PutUint16(fixed[18:], source.Port())
	binary.BigEndian.PutUint64(fixed[20:], spiI)
	mac.Write(fixed[:2])
	mac.Write(ni)
	mac.Write(fixed[2:])
	return mac.Sum(append(make([]byte, 0, cookieLen), version))
}

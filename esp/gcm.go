package esp

import (
	"fmt"

	aesgcm "causeway/esp/gcm"
	"causeway/esp/prefetch"
)

const gcmSaltLen = 4 // RFC 4106 §4

// gcm is AES-GCM with an ICV of 8, 12 or 16 bytes (RFC 4106).
type gcm struct {
	aead
	key *aesgcm.Key
}

func newGCM(p Parameters, icv int) (*gcm, error) {
	a, bytes, err := newAEAD(p, icv, gcmSaltLen, 16, 24, 32)
	if err != nil {
		return nil, err
	}
	key, err := aesgcm.NewKeyWithTagSize(bytes, icv)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	return &gcm{a, key}, nil
}

// Native chooses how SAs made from now on compute AES-GCM: in the fastest way
// that this processor has, or, with false, by crypto/cipher. SAs that exist go on
// as they are, and both understand each other.
func Native(on bool) error {
	ways := aesgcm.Implementations()
	if on {
		return aesgcm.Use(ways[0])
	}
	return aesgcm.Use(ways[len(ways)-1])
}

// NativeName names the way in use, as package gcm does: "vaes-avx512",
// "vaes-avx2" or "crypto/cipher".
func NativeName() string { return aesgcm.Implementation() }

func (g *gcm) prefetch(l *prefetch.Lines) {
	prefetch.Add(l, g)
	g.key.Prefetch(l)
}

func (g *gcm) seal(s *Scratch, packet, payload []byte, seq uint64) {
	nonce, additional := g.bind(s, packet, seq)
	g.key.SealAfter(packet[headerLen+aeadIVLen:], (*[aesgcm.NonceSize]byte)(nonce), payload, additional)
}

func (g *gcm) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	nonce, additional := g.bind(s, packet, seq)
	text := packet[headerLen+aeadIVLen:]
	plaintext := text[:len(text)-g.icv]
	err := g.key.Open(plaintext, (*[aesgcm.NonceSize]byte)(nonce), text, additional)
	return plaintext, err == nil
}

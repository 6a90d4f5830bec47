package esp

import (
	"crypto/cipher"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const chachaSaltLen = 4 // RFC 7634 §2

// chacha is ChaCha20-Poly1305 (RFC 7634).
type chacha struct {
	aead
	key cipher.AEAD
}

func newChaCha(p Parameters) (*chacha, error) {
	a, bytes, err := newAEAD(p, chacha20poly1305.Overhead, chachaSaltLen, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	key, err := chacha20poly1305.New(bytes)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	return &chacha{a, key}, nil
}

func (c *chacha) seal(s *Scratch, packet, payload []byte, seq uint64) {
	nonce, additional := c.bind(s, packet, seq)
	plaintext := packet[headerLen+aeadIVLen : len(packet)-c.icv]
	copy(plaintext, payload)
	c.key.Seal(plaintext[:0], nonce, plaintext, additional)
}

func (c *chacha) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	nonce, additional := c.bind(s, packet, seq)
	text := packet[headerLen+aeadIVLen:]
	plaintext, err := c.key.Open(text[:0], nonce, text, additional)
	return plaintext, err == nil
}

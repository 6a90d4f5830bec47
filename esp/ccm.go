package esp

import (
	"fmt"

	aesccm "causeway/esp/ccm"
)

const ccmSaltLen = 3 // RFC 4309 §4

// ccm is AES-CCM with an ICV of 8, 12 or 16 bytes (RFC 4309).
type ccm struct {
	aead
	key *aesccm.Key
}

func newCCM(p Parameters, icv int) (*ccm, error) {
	a, bytes, err := newAEAD(p, icv, ccmSaltLen, 16, 24, 32)
	if err != nil {
		return nil, err
	}
	key, err := aesccm.NewKey(bytes, ccmSaltLen+aeadIVLen, icv)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	return &ccm{a, key}, nil
}

func (c *ccm) seal(s *Scratch, packet, payload []byte, seq uint64) {
	nonce, additional := c.bind(s, packet, seq)
	text := packet[headerLen+aeadIVLen:]
	copy(text, payload)
	c.key.Seal(&s.ccm, text, nonce, text[:len(text)-c.icv], additional)
}

func (c *ccm) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	nonce, additional := c.bind(s, packet, seq)
	text := packet[headerLen+aeadIVLen:]
	plaintext := text[:len(text)-c.icv]
	return plaintext, c.key.Open(&s.ccm, plaintext, nonce, text, additional) == nil
}

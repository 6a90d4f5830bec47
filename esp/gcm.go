package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

const (
	gcmSaltLen = 4
	gcmICVLen  = 16
)

// gcm is AES-GCM with a 16-byte ICV (RFC 4106).
type gcm struct {
	aead cipher.AEAD
	salt [gcmSaltLen]byte
	esn  bool
}

func newGCM(p Parameters) (*gcm, error) {
	if p.Integrity != IntegrityNone || len(p.IntegrityKey) != 0 {
		return nil, fmt.Errorf("esp: SPI %08x: %v takes no integrity algorithm, but there is %v", p.SPI, p.Cipher, p.Integrity)
	}
	n := len(p.EncryptionKey) - gcmSaltLen
	if n != 16 && n != 24 && n != 32 {
		return nil, fmt.Errorf("esp: SPI %08x: %v has a key of 16, 24 or 32 bytes and %d of salt, not %d in all",
			p.SPI, p.Cipher, gcmSaltLen, len(p.EncryptionKey))
	}
	newAEAD := p.NewAEAD
	if newAEAD == nil {
		newAEAD = standardGCM
	}
	aead, err := newAEAD(p.EncryptionKey[:n])
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	return &gcm{aead: aead, salt: [gcmSaltLen]byte(p.EncryptionKey[n:]), esn: p.ESN}, nil
}

func standardGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// shape pads to four bytes (RFC 4303 §2.4) but accepts what does not.
func (g *gcm) shape() shape { return shape{iv: 8, align: 4, block: 1, icv: gcmICVLen} }

// putIV takes the sequence number, which never repeats under one key (RFC 4106
// §3.1) and needs no agreement between workers.
func (g *gcm) putIV(iv []byte, _ *Scratch, seq uint64) { binary.BigEndian.PutUint64(iv, seq) }

func (g *gcm) seal(s *Scratch, packet, payload []byte, seq uint64) {
	plaintext := packet[16 : len(packet)-gcmICVLen]
	copy(plaintext, payload)
	aad := g.bind(s, packet, seq)
	g.aead.Seal(plaintext[:0], s.nonce[:], plaintext, aad)
}

func (g *gcm) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	aad := g.bind(s, packet, seq)
	plaintext, err := g.aead.Open(packet[16:16], s.nonce[:], packet[16:], aad)
	return plaintext, err == nil
}

// bind fills in the nonce (RFC 4106 §4) and returns the additional data: SPI and
// sequence number, with its high half in between when it is extended (RFC 4106
// §5).
func (g *gcm) bind(s *Scratch, packet []byte, seq uint64) []byte {
	*(*[gcmSaltLen]byte)(s.nonce[:]) = g.salt
	*(*[8]byte)(s.nonce[gcmSaltLen:]) = [8]byte(packet[8:16])
	if !g.esn {
		return packet[:headerLen:headerLen]
	}
	*(*[4]byte)(s.aad[:]) = [4]byte(packet)
	binary.BigEndian.PutUint64(s.aad[4:], seq)
	return s.aad[:]
}

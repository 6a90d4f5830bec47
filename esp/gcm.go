package esp

import (
	"encoding/binary"
	"fmt"

	aesgcm "causeway/esp/gcm"
)

const (
	gcmSaltLen = 4
	gcmICVLen  = 16
)

// gcm is AES-GCM with a 16-byte ICV (RFC 4106).
type gcm struct {
	key  *aesgcm.Key
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
	key, err := aesgcm.NewKey(p.EncryptionKey[:n])
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	return &gcm{key: key, salt: [gcmSaltLen]byte(p.EncryptionKey[n:]), esn: p.ESN}, nil
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

// shape pads to four bytes (RFC 4303 §2.4) but accepts what does not.
func (g *gcm) shape() shape { return shape{iv: 8, align: 4, block: 1, icv: gcmICVLen} }

// putIV takes the sequence number, which never repeats under one key (RFC 4106
// §3.1) and needs no agreement between workers.
func (g *gcm) putIV(iv []byte, _ *Scratch, seq uint64) { binary.BigEndian.PutUint64(iv, seq) }

func (g *gcm) seal(s *Scratch, packet, payload []byte, seq uint64) {
	aad := g.bind(s, packet, seq)
	g.key.SealAfter(packet[16:], &s.nonce, payload, aad)
}

func (g *gcm) open(s *Scratch, packet []byte, seq uint64) ([]byte, bool) {
	aad := g.bind(s, packet, seq)
	plaintext := packet[16 : len(packet)-gcmICVLen]
	err := g.key.Open(plaintext, &s.nonce, packet[16:], aad)
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

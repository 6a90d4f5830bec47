package esp

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// aeadIVLen is the IV that every AEAD here sends: with a salt before it, which
// is not sent, it is the nonce.
const aeadIVLen = 8

// aead is what AES-GCM, AES-CCM, ChaCha20-Poly1305 and AES-GMAC have in common:
// all take their nonce and additional data from the same places.
type aead struct {
	salt    [gcmSaltLen]byte // the longest
	saltLen int
	esn     bool
	icv     int
}

// newAEAD checks the parameters and takes the salt, which follows the key. The
// rest of the keying material is returned.
func newAEAD(p Parameters, icv, saltLen int, keyLens ...int) (aead, []byte, error) {
	if p.Integrity != IntegrityNone || len(p.IntegrityKey) != 0 {
		return aead{}, nil, fmt.Errorf("esp: SPI %08x: %v takes no integrity algorithm, but there is %v", p.SPI, p.Cipher, p.Integrity)
	}
	n := len(p.EncryptionKey) - saltLen
	if !slices.Contains(keyLens, n) {
		return aead{}, nil, fmt.Errorf("esp: SPI %08x: %v has a key of %v bytes and %d of salt, not %d in all",
			p.SPI, p.Cipher, keyLens, saltLen, len(p.EncryptionKey))
	}
	a := aead{saltLen: saltLen, esn: p.ESN, icv: icv}
	copy(a.salt[:], p.EncryptionKey[n:])
	return a, p.EncryptionKey[:n], nil
}

// shape pads to four bytes (RFC 4303 §2.4) but accepts what does not.
func (a *aead) shape() shape { return shape{iv: aeadIVLen, align: 4, block: 1, icv: a.icv} }

// putIV takes the sequence number, which never repeats under one key (RFC 4106
// §3.1, RFC 4309 §3.1, RFC 7634 §2) and needs no agreement between workers.
func (a *aead) putIV(iv []byte, _ *Scratch, seq uint64) { binary.BigEndian.PutUint64(iv, seq) }

// bind fills in the nonce, salt and IV (RFC 4106 §4), and returns the additional
// data: SPI and sequence number, with its high half in between when it is
// extended (RFC 4106 §5, RFC 4309 §5, RFC 7634 §2.1).
func (a *aead) bind(s *Scratch, packet []byte, seq uint64) (nonce, additional []byte) {
	*(*[gcmSaltLen]byte)(s.nonce[:]) = a.salt
	nonce = s.nonce[:a.saltLen+aeadIVLen]
	*(*[aeadIVLen]byte)(nonce[a.saltLen:]) = [aeadIVLen]byte(packet[headerLen:])
	if !a.esn {
		return nonce, packet[:headerLen:headerLen]
	}
	*(*[4]byte)(s.aad[:]) = [4]byte(packet)
	binary.BigEndian.PutUint64(s.aad[4:], seq)
	return nonce, s.aad[:]
}

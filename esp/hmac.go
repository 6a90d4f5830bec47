package esp

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
	"runtime"
)

// digest is a hash whose state can be saved and restored.
type digest interface {
	hash.Hash
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// hmac is HMAC (RFC 2104) truncated as ESP wants it (RFC 2404 for SHA1, RFC
// 4868 §2.3 for SHA2). It keeps no hash but the states of one after the two
// padded keys: workers restore them into hashes of their own, so that one SA
// serves several workers and no packet hashes a key.
type hmac struct {
	integrity Integrity
	icvLen    int
	esn       bool
	states    *hmacStates
}

// hmacStates are as secret as the key.
type hmacStates struct{ inner, outer []byte }

func newHMAC(p Parameters) (*hmac, error) {
	if p.Integrity == IntegrityNone || p.Integrity > HMACSHA512_256 {
		return nil, fmt.Errorf("esp: SPI %08x: %v needs an integrity algorithm, not %v", p.SPI, p.Cipher, p.Integrity)
	}
	d := NewScratch().digests[p.Integrity]
	if len(p.IntegrityKey) != d.Size() {
		return nil, fmt.Errorf("esp: SPI %08x: %v has a key of %d bytes, not %d", p.SPI, p.Integrity, d.Size(), len(p.IntegrityKey))
	}
	inner, err := paddedKeyState(d, p.IntegrityKey, 0x36)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	outer, err := paddedKeyState(d, p.IntegrityKey, 0x5c)
	if err != nil {
		return nil, fmt.Errorf("esp: SPI %08x: %w", p.SPI, err)
	}
	h := &hmac{integrity: p.Integrity, icvLen: d.Size() / 2, esn: p.ESN, states: &hmacStates{inner, outer}}
	if p.Integrity == HMACSHA1_96 {
		h.icvLen = 12
	}
	// The SA may be erased while a worker still checks a packet, so the states
	// are overwritten when nobody can reach h any more.
	runtime.AddCleanup(h, (*hmacStates).erase, h.states)
	return h, nil
}

func (s *hmacStates) erase() {
	clear(s.inner)
	clear(s.outer)
}

// paddedKeyState is d's state after the first block of HMAC. It leaves d reset.
func paddedKeyState(d digest, key []byte, pad byte) ([]byte, error) {
	block := make([]byte, d.BlockSize())
	defer clear(block)
	copy(block, key)
	for i := range block {
		block[i] ^= pad
	}
	d.Reset()
	defer d.Reset()
	d.Write(block)
	return d.MarshalBinary()
}

// sum returns the ICV of what is signed, which an extended sequence number's
// high half follows without being sent (RFC 4303 §2.2.1). The result is valid
// until the Scratch is used again.
func (h *hmac) sum(s *Scratch, signed []byte, seq uint64) []byte {
	d := s.digests[h.integrity]
	restore(d, h.states.inner)
	d.Write(signed)
	if h.esn {
		binary.BigEndian.PutUint32(s.block[:], uint32(seq>>32))
		d.Write(s.block[:4])
	}
	inner := d.Sum(s.mac[:0])
	restore(d, h.states.outer)
	d.Write(inner)
	return d.Sum(s.mac[:0])[:h.icvLen]
}

// restore cannot fail: the state is of the same hash.
func restore(d digest, state []byte) {
	if err := d.UnmarshalBinary(state); err != nil {
		panic("esp: restoring a hash of our own: " + err.Error())
	}
}

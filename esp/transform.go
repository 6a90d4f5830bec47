package esp

import (
	"encoding/binary"
	"sync/atomic"

	"causeway/esp/prefetch"
)

// transform is the cryptography of one direction of one SA. It is safe for
// concurrent use, by workers with their own Scratch each. A native cipher takes
// the place of another here.
type transform interface {
	shape() shape
	// putIV writes the initialization vector of packet number seq.
	putIV(iv []byte, s *Scratch, seq uint64)
	// seal makes packet from payload. The header, the IV and the trailer, at its
	// place before the ICV, are there; the rest of packet is to be written.
	// The two do not overlap.
	seal(s *Scratch, packet, payload []byte, seq uint64)
	// open authenticates packet and decrypts it in place. The plaintext ends
	// with the trailer. The length of packet is one that shape allows.
	open(s *Scratch, packet []byte, seq uint64) (plaintext []byte, ok bool)
}

// shape is what a transform adds to the payload.
type shape struct {
	iv    int
	align int // of payload and trailer together, when sealing
	block int // of the ciphertext, when opening
	icv   int
}

// body is where the ciphertext begins.
func (s shape) body() int { return headerLen + s.iv }

func (s shape) sealedLen(payload int) int {
	n := payload + trailerLen
	n += -n & (s.align - 1)
	return s.body() + n + s.icv
}

func (s shape) maxPayload(packet int) int {
	n := packet - s.body() - s.icv
	if n < s.align {
		return -1
	}
	return n&^(s.align-1) - trailerLen
}

// allows reports whether an ESP packet can be that long.
func (s shape) allows(packet int) bool {
	n := packet - s.body() - s.icv
	return n >= max(trailerLen, s.block) && n%s.block == 0
}

// keys holds the transform of a living SA. Erasing lets go of it: workers in
// the midst of a packet finish it, later ones find nothing.
type keys struct {
	held atomic.Pointer[heldTransform]
}

type heldTransform struct{ transform }

// prefetcher is a transform that can say where its keys lie. The others are so
// slow that it does not matter.
type prefetcher interface{ prefetch(l *prefetch.Lines) }

func (k *keys) prefetch(l *prefetch.Lines) {
	held := k.held.Load()
	if held == nil {
		return
	}
	prefetch.Add(l, held)
	if p, ok := held.transform.(prefetcher); ok {
		p.prefetch(l)
	}
}

func (k *keys) hold(t transform) { k.held.Store(&heldTransform{t}) }

func (k *keys) erase() { k.held.Store(nil) }

func (k *keys) erased() bool { return k.held.Load() == nil }

func putHeader(packet []byte, spi uint32, seq uint64) {
	binary.BigEndian.PutUint32(packet, spi)
	binary.BigEndian.PutUint32(packet[4:], uint32(seq))
}

// putTrailer fills the padding with 1, 2, 3... (RFC 4303 §2.4) and ends
// plaintext, of which payload bytes are taken.
func putTrailer(plaintext []byte, payload int, nextHeader byte) {
	end := len(plaintext) - trailerLen
	for i := payload; i < end; i++ {
		plaintext[i] = byte(i - payload + 1)
	}
	plaintext[end] = byte(end - payload)
	plaintext[end+1] = nextHeader
}

// cutTrailer is the inverse of putTrailer. It runs after authentication, so its
// time may depend on the padding.
func cutTrailer(plaintext []byte) (payload []byte, nextHeader byte, ok bool) {
	end := len(plaintext) - trailerLen
	padLen := int(plaintext[end])
	if padLen > end {
		return nil, 0, false
	}
	for i, b := range plaintext[end-padLen : end] {
		if b != byte(i+1) {
			return nil, 0, false
		}
	}
	return plaintext[:end-padLen], plaintext[end+1], true
}

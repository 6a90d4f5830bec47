package esp

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"

	aesccm "causeway/esp/ccm"
)

// Scratch is the memory in which one worker builds nonces, additional data and
// MACs, so that sealing and opening never allocate: what is passed through an
// interface cannot live on the stack. It serves any number of SAs, one packet
// at a time.
type Scratch struct {
	nonce   [12]byte
	aad     [12]byte
	block   [16]byte
	mac     [sha512.Size]byte
	ccm     aesccm.Scratch
	digests [HMACSHA512_256 + 1]digest
	_       [64]byte // keeps another worker's Scratch off the cache line
}

// NewScratch makes the memory of one worker.
func NewScratch() *Scratch {
	s := new(Scratch)
	s.digests[HMACSHA1_96] = sha1.New().(digest)
	s.digests[HMACSHA256_128] = sha256.New().(digest)
	s.digests[HMACSHA384_192] = sha512.New384().(digest)
	s.digests[HMACSHA512_256] = sha512.New().(digest)
	return s
}

package ikev2

import (
	"crypto/sha3"
	"encoding/binary"
	"fmt"
	"io"
)

// entropy is the one source of randomness of a machine or an acceptor. It is
// drawn from in the order in which the actions it is for are made:
//
//	8 octets   an IKE SPI (again, if all are zero)
//	32 octets  a nonce (RFC 7296 §2.10 wants half the PRF's key size at least)
//	64 octets  the seed of a Diffie-Hellman private key
//	8 octets   one jitter: a retransmission, a lifetime, a back-off
//	n octets   the IV of an Encrypted payload, as the suite takes it
//
// A source that fails cannot be worked around, so a failure panics.
type entropy struct{ source io.Reader }

const (
	nonceLen = 32
	seedLen  = 64
)

func (e entropy) bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(e.source, b); err != nil {
		panic(fmt.Sprintf("ikev2: entropy source failed: %v", err))
	}
	return b
}

func (e entropy) nonce() []byte { return e.bytes(nonceLen) }
func (e entropy) seed() []byte  { return e.bytes(seedLen) }

// spi is an IKE SPI: random and never zero (RFC 7296 §3.1).
func (e entropy) spi() uint64 {
	for {
		if spi := binary.BigEndian.Uint64(e.bytes(8)); spi != 0 {
			return spi
		}
	}
}

// fraction is uniform in [0,1).
func (e entropy) fraction() float64 {
	return float64(binary.BigEndian.Uint64(e.bytes(8))>>11) / (1 << 53)
}

// expand makes of a seed as many octets as a key generation wants, so that the
// generation may run elsewhere and still be determined by the source.
func expand(seed []byte) io.Reader {
	h := sha3.NewSHAKE256()
	h.Write(seed)
	return h
}

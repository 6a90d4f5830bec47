package sansio

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Entropy is the one source of randomness of a machine or an acceptor. It is
// drawn from in the order of the actions that it is for, so that the same source
// gives the same bytes. One that fails cannot be worked around: a failure panics.
type Entropy struct{ Source io.Reader }

const (
	nonceLen = 32
	seedLen  = 64
)

// Bytes draws n octets.
func (e Entropy) Bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(e.Source, b); err != nil {
		panic(fmt.Sprintf("ike: entropy source failed: %v", err))
	}
	return b
}

// Nonce draws 32 octets: at least half the key size of every PRF (RFC 7296 §2.10).
func (e Entropy) Nonce() []byte { return e.Bytes(nonceLen) }

// Seed draws the 64 octets that a Diffie-Hellman private key is made of.
func (e Entropy) Seed() []byte { return e.Bytes(seedLen) }

// SPI is an IKE SPI or cookie: random and never zero.
func (e Entropy) SPI() uint64 {
	for {
		if spi := binary.BigEndian.Uint64(e.Bytes(8)); spi != 0 {
			return spi
		}
	}
}

// MessageID is one of IKEv1's phase 2: random and never zero.
func (e Entropy) MessageID() uint32 {
	for {
		if id := binary.BigEndian.Uint32(e.Bytes(4)); id != 0 {
			return id
		}
	}
}

// Fraction is uniform in [0,1).
func (e Entropy) Fraction() float64 {
	return float64(binary.BigEndian.Uint64(e.Bytes(8))>>11) / (1 << 53)
}

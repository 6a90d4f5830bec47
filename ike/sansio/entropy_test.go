package sansio

import (
	"bytes"
	"testing"
)

// Nonces have 32 octets: at least half the key of every PRF (RFC 7296 §2.10). SPIs and
// message IDs of IKEv1 are what is drawn, and never zero.
func TestWhatIsDrawn(t *testing.T) {
	source := func(octets ...byte) Entropy {
		return Entropy{Source: bytes.NewReader(append(make([]byte, 8), append(octets, make([]byte, 100)...)...))}
	}
	if n := source().Nonce(); len(n) != 32 {
		t.Errorf("a nonce of %d octets", len(n))
	}
	if spi := source(1, 2, 3, 4, 5, 6, 7, 8).SPI(); spi != 0x0102030405060708 {
		t.Errorf("after eight octets of zero the SPI is %x", spi)
	}
	if id := source(0, 0, 0, 9).MessageID(); id != 9 {
		t.Errorf("after octets of zero the message ID is %x", id)
	}
}

// Package esp is the Encapsulating Security Payload in tunnel mode (RFC 4303):
// it seals inner packets into ESP packets and opens them again, with AES-GCM
// (RFC 4106), AES-CCM (RFC 4309), ChaCha20-Poly1305 (RFC 7634) or AES-CBC (RFC
// 3602) with HMAC (RFC 2404, RFC 4868), or only authenticated with AES-GMAC (RFC
// 4543) or HMAC (RFC 2410); with 32-bit or extended sequence numbers, the replay
// window (RFC 6479), and the limits of an SA's life in bytes, packets and
// sequence numbers.
//
// It has no sockets, no clock and no table of SAs, and does not look inside the
// payload: the tunnel looks up the SA by its SPI, cuts traffic flow
// confidentiality padding off by the length in the inner header (RFC 4303
// §2.7), and drops dummy packets (NextHeaderDummy, RFC 4303 §2.6).
//
// Outbound and Inbound are safe for concurrent use by workers that each have
// their own Scratch. Sealing and opening take no lock but the short one of the
// replay window, and allocate nothing, but for ChaCha20-Poly1305 where x/crypto
// has no assembly, and for short ICVs of AES-GCM where package gcm has none.
package esp

import (
	"encoding/binary"
	"errors"
)

// The reasons for which a packet or a reservation is refused. They are values
// without detail, for the hot path: the tunnel counts them.
var (
	// ErrShort: no ESP packet of this SA has such a length.
	ErrShort = errors.New("esp: packet length is impossible")
	// ErrReplay: the sequence number was seen before, is older than the replay
	// window, or is one that never is sent.
	ErrReplay = errors.New("esp: sequence number is a replay or too old")
	// ErrAuthentication: the ICV is wrong. The packet's bytes are lost.
	ErrAuthentication = errors.New("esp: packet is not authentic")
	// ErrPadding: the packet is authentic but its padding is not 1, 2, 3...
	// (RFC 4303 §2.4), so the peer is broken.
	ErrPadding = errors.New("esp: padding is malformed")
	// ErrExhausted: the SA is at a hard limit, has no sequence number left, or
	// was erased. It carries nothing any more.
	ErrExhausted = errors.New("esp: SA has ended")
)

// Next headers of tunnel mode.
const (
	NextHeaderIPv4  = 4
	NextHeaderIPv6  = 41
	NextHeaderDummy = 59
)

const (
	headerLen  = 8 // SPI and the low half of the sequence number
	trailerLen = 2 // pad length and next header
)

// SPI reads the SPI of an ESP packet; ok is false when packet is too short for
// one or has the zero that marks IKE on the NAT port (RFC 3948 §2.2).
func SPI(packet []byte) (spi uint32, ok bool) {
	if len(packet) < headerLen {
		return 0, false
	}
	spi = binary.BigEndian.Uint32(packet)
	return spi, spi != 0
}

// Package esp is the Encapsulating Security Payload in tunnel mode (RFC 4303):
// it seals inner packets into ESP packets and opens them again, with AES-GCM
// (RFC 4106) or AES-CBC (RFC 3602) with HMAC (RFC 2404, RFC 4868), 32-bit or
// extended sequence numbers, the replay window (RFC 6479), and the limits of an
// SA's life in bytes, packets and sequence numbers.
//
// It has no sockets, no clock and no table of SAs, and does not look inside the
// payload: the tunnel owns those, and drops the dummy packets (next header 59).
//
// Outbound and Inbound are safe for concurrent use by workers that each have
// their own Scratch. Sealing and opening allocate nothing.
package esp

import "errors"

// Cipher is the encryption of an SA.
type Cipher uint8

// The ciphers. AESGCM16 authenticates too and wants IntegrityNone.
const (
	AESGCM16 Cipher = iota + 1
	AESCBC
)

// Integrity is the authentication of an SA whose cipher does not authenticate.
type Integrity uint8

// The integrity algorithms.
const (
	IntegrityNone Integrity = iota
	HMACSHA1_96
	HMACSHA256_128
	HMACSHA384_192
	HMACSHA512_256
)

// Parameters describe one direction of a Child SA.
type Parameters struct {
	SPI       uint32
	Cipher    Cipher
	Integrity Integrity
	// EncryptionKey is the AES key; for AESGCM16 its four-byte salt follows
	// (RFC 4106 §8.1).
	EncryptionKey []byte
	IntegrityKey  []byte
	ESN           bool
	// ReplayWindow is in packets, 64 to 65536; 0 is DefaultReplayWindow.
	ReplayWindow int
	Limits       Limits
}

// Limits end an SA's life; 0 is no limit.
type Limits struct {
	SoftBytes, HardBytes, SoftPackets, HardPackets uint64
}

// LimitState says how near an SA is to its end.
type LimitState uint8

// The limit states.
const (
	OK LimitState = iota
	Soft
	Hard
)

// The reasons for which a packet is refused.
var (
	ErrShort          = errors.New("esp: packet length is impossible")
	ErrReplay         = errors.New("esp: sequence number is a replay or too old")
	ErrAuthentication = errors.New("esp: packet is not authentic")
	ErrPadding        = errors.New("esp: padding is malformed")
	ErrExhausted      = errors.New("esp: SA reached a hard limit")
)

// Next headers of tunnel mode.
const (
	NextHeaderIPv4  = 4
	NextHeaderIPv6  = 41
	NextHeaderDummy = 59
)

// DefaultReplayWindow is in packets.
const DefaultReplayWindow = 8192

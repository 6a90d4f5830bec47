package isakmp

import (
	"encoding/binary"
	"fmt"
)

// The ISAKMP header, RFC 2408 §3.1.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                          Initiator Cookie                     |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                          Responder Cookie                     |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                          Message ID                           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                            Length                             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// HeaderLen is the length of the ISAKMP header.
const HeaderLen = 28

// MajorVersion is the only major version that is read and written here.
const MajorVersion = 1

// MaxMessageLen bounds a whole message.
const MaxMessageLen = 1<<16 - 1

// Flags are the bits of the header's flags octet. Others are reserved and
// ignored.
type Flags uint8

const (
	FlagEncryption     Flags = 1 << 0 // all payloads are encrypted
	FlagCommit         Flags = 1 << 1 // the peer waits for CONNECTED before it uses the SA
	FlagAuthentication Flags = 1 << 2 // authenticated and not encrypted
)

// Encrypted reports whether the payloads are encrypted.
func (f Flags) Encrypted() bool { return f&FlagEncryption != 0 }

// Header is the ISAKMP header. NextPayload and Length describe a received
// message; they are computed when a message is appended. The version is sent
// as 1.0.
type Header struct {
	InitiatorCookie uint64
	ResponderCookie uint64
	NextPayload     PayloadType
	Major, Minor    uint8
	Exchange        ExchangeType
	Flags           Flags
	MessageID       uint32
	Length          uint32
}

// ParseHeader reads the header at the start of b, of whatever version, and
// does not compare Length with len(b).
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, &ParseError{Offset: len(b), Why: "shorter than the ISAKMP header"}
	}
	return Header{
		InitiatorCookie: binary.BigEndian.Uint64(b[0:]),
		ResponderCookie: binary.BigEndian.Uint64(b[8:]),
		NextPayload:     PayloadType(b[16]),
		Major:           b[17] >> 4,
		Minor:           b[17] & 0x0f,
		Exchange:        ExchangeType(b[18]),
		Flags:           Flags(b[19]),
		MessageID:       binary.BigEndian.Uint32(b[20:]),
		Length:          binary.BigEndian.Uint32(b[24:]),
	}, nil
}

// Append writes the header with the given first payload and total length.
func (h Header) Append(dst []byte, next PayloadType, length int) ([]byte, error) {
	switch {
	case h.InitiatorCookie == 0:
		return nil, fmt.Errorf("isakmp: the initiator's cookie of a message must not be zero")
	case length > MaxMessageLen:
		return nil, fmt.Errorf("isakmp: message of %d bytes exceeds %d", length, MaxMessageLen)
	}
	dst = binary.BigEndian.AppendUint64(dst, h.InitiatorCookie)
	dst = binary.BigEndian.AppendUint64(dst, h.ResponderCookie)
	dst = append(dst, byte(next), MajorVersion<<4, byte(h.Exchange), byte(h.Flags))
	dst = binary.BigEndian.AppendUint32(dst, h.MessageID)
	return binary.BigEndian.AppendUint32(dst, uint32(length)), nil
}

// String is one line for traces.
func (h Header) String() string {
	return fmt.Sprintf("%v %08x cookies %016x/%016x", h.Exchange, h.MessageID, h.InitiatorCookie, h.ResponderCookie)
}

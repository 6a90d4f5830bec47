package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The IKE header, RFC 7296 §3.1.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       IKE SA Initiator's SPI                  |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                       IKE SA Responder's SPI                  |
//	|                                                               |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                          Message ID                           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                            Length                             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// HeaderLen is the length of the IKE header.
const HeaderLen = 28

// MajorVersion is the only major version that ParseMessage reads and Append writes.
const MajorVersion = 2

// MaxMessageLen bounds a whole message. UDP carries no more, and neither does the 16-bit length of TCP encapsulation
// (RFC 9329 §3).
const MaxMessageLen = 1<<16 - 1

// Flags are the bits of the header's flags octet. Bits without a name are reserved and ignored.
type Flags uint8

const (
	FlagInitiator Flags = 1 << 3 // sent by the original initiator of the IKE SA
	FlagVersion   Flags = 1 << 4 // the sender can speak a higher major version
	FlagResponse  Flags = 1 << 5 // answers the request with the same message ID
)

// Initiator reports whether the sender is the original initiator of the IKE SA.
func (f Flags) Initiator() bool { return f&FlagInitiator != 0 }

// Response reports whether the message is a response.
func (f Flags) Response() bool { return f&FlagResponse != 0 }

// String is the letters I, V and R of the set bits, or "-".
func (f Flags) String() string {
	var s strings.Builder
	for _, b := range []struct {
		bit  Flags
		name byte
	}{{FlagInitiator, 'I'}, {FlagVersion, 'V'}, {FlagResponse, 'R'}} {
		if f&b.bit != 0 {
			s.WriteByte(b.name)
		}
	}
	if s.Len() == 0 {
		return "-"
	}
	return s.String()
}

// Header is the IKE header in wire order. NextPayload and Length describe a received message; they are computed, and
// need not be filled in, when a message is appended. A zero Major is sent as version 2.0.
type Header struct {
	InitiatorSPI uint64
	ResponderSPI uint64
	NextPayload  PayloadType
	Major, Minor uint8
	Exchange     ExchangeType
	Flags        Flags
	MessageID    uint32
	Length       uint32
}

// ParseHeader reads the header at the start of b. It accepts every version, because the fields up to Length are common
// to IKEv1 and IKEv2 and the caller needs Major to tell them apart, and it does not compare Length with len(b).
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, &ParseError{Offset: len(b), Why: "shorter than the IKE header"}
	}
	return Header{
		InitiatorSPI: binary.BigEndian.Uint64(b[0:]),
		ResponderSPI: binary.BigEndian.Uint64(b[8:]),
		NextPayload:  PayloadType(b[16]),
		Major:        b[17] >> 4,
		Minor:        b[17] & 0x0f,
		Exchange:     ExchangeType(b[18]),
		Flags:        Flags(b[19]),
		MessageID:    binary.BigEndian.Uint32(b[20:]),
		Length:       binary.BigEndian.Uint32(b[24:]),
	}, nil
}

// append writes the header with the given first payload and total length.
func (h Header) append(dst []byte, next PayloadType, length int) ([]byte, error) {
	if h.Major == 0 && h.Minor == 0 {
		h.Major = MajorVersion
	}
	switch {
	case h.Major != MajorVersion || h.Minor > 0x0f:
		return nil, &VersionError{Major: h.Major, Minor: h.Minor}
	case h.InitiatorSPI == 0:
		return nil, fmt.Errorf("wire: the initiator's SPI of a message must not be zero")
	case length > MaxMessageLen:
		return nil, fmt.Errorf("wire: message of %d bytes exceeds %d", length, MaxMessageLen)
	}
	dst = binary.BigEndian.AppendUint64(dst, h.InitiatorSPI)
	dst = binary.BigEndian.AppendUint64(dst, h.ResponderSPI)
	dst = append(dst, byte(next), h.Major<<4|h.Minor, byte(h.Exchange), byte(h.Flags))
	dst = binary.BigEndian.AppendUint32(dst, h.MessageID)
	return binary.BigEndian.AppendUint32(dst, uint32(length)), nil
}

// String is one line for traces, such as "IKE_AUTH request 1 spi 00000000000000aa/00000000000000bb".
func (h Header) String() string {
	kind := "request"
	if h.Flags.Response() {
		kind = "response"
	}
	return fmt.Sprintf("%v %s %d spi %016x/%016x", h.Exchange, kind, h.MessageID, h.InitiatorSPI, h.ResponderSPI)
}

package probe

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
)

const (
	echoRequest4, echoReply4 = 8, 0     // RFC 792
	echoRequest6, echoReply6 = 128, 129 // RFC 4443 §4
	headerLen                = 8
	tokenLen                 = 16
)

// Echo makes the requests of one path and knows their answers: a random token
// in each keeps others from answering in the target's name unseen.
type Echo struct {
	target     netip.Addr
	identifier uint16
	token      [tokenLen]byte
}

// NewEcho draws the token and the identifier.
func NewEcho(target netip.Addr) *Echo {
	e := &Echo{target: target}
	rand.Read(e.token[:])
	e.identifier = binary.BigEndian.Uint16(e.token[:])
	return e
}

// AppendRequest appends the ICMP message. The checksum is that of ICMP for
// IPv4; ICMPv6's covers addresses, and whoever sends it fills it in.
func (e *Echo) AppendRequest(b []byte, sequence uint16) []byte {
	start := len(b)
	kind := byte(echoRequest4)
	if e.target.Is6() {
		kind = echoRequest6
	}
	b = append(b, kind, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, e.identifier)
	b = binary.BigEndian.AppendUint16(b, sequence)
	b = append(b, e.token[:]...)
	if e.target.Is4() {
		binary.BigEndian.PutUint16(b[start+2:], checksum(b[start:]))
	}
	return b
}

const (
	protocolICMP, protocolICMPv6 = 1, 58
	hopLimit                     = 64
)

// AppendPacket appends a request as a whole IP packet from source.
func (e *Echo) AppendPacket(b []byte, source netip.Addr, sequence uint16) []byte {
	start := len(b)
	const messageLen = headerLen + tokenLen
	if e.target.Is4() {
		b = append(b, 0x45, 0, 0, 20+messageLen, 0, 0, 0, 0, hopLimit, protocolICMP, 0, 0)
		b = append(append(b, source.AsSlice()...), e.target.AsSlice()...)
		binary.BigEndian.PutUint16(b[start+10:], checksum(b[start:]))
		return e.AppendRequest(b, sequence)
	}
	b = append(b, 0x60, 0, 0, 0, 0, messageLen, protocolICMPv6, hopLimit)
	b = append(append(b, source.AsSlice()...), e.target.AsSlice()...)
	b = e.AppendRequest(b, sequence)
	// RFC 4443 §2.3: over the addresses, the length and the next header, too.
	sum := uint32(^checksum(b[start+8:])) + messageLen + protocolICMPv6
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(b[start+42:], ^uint16(sum))
	return b
}

// Answered tells which request the ICMP message from an address answers.
func (e *Echo) Answered(message []byte, from netip.Addr) (sequence uint16, ok bool) {
	kind := byte(echoReply4)
	if e.target.Is6() {
		kind = echoReply6
	}
	if len(message) < headerLen+tokenLen || message[0] != kind || message[1] != 0 || from.Unmap().WithZone("") != e.target ||
		binary.BigEndian.Uint16(message[4:]) != e.identifier || !bytes.Equal(message[headerLen:headerLen+tokenLen], e.token[:]) {
		return 0, false
	}
	return binary.BigEndian.Uint16(message[6:]), true
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

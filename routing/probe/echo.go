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

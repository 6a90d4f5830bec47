package tunnel

import "encoding/binary"

// The ECN field (RFC 3168 §5).
const (
	ecnMask   = 3
	notECT    = 0
	ect1      = 1
	ect0      = 2
	ecnMarked = 3 // CE, congestion experienced
)

// outerTOS is the DSCP and ECN field of the outer header: the DSCP copied
// (RFC 4301 §5.1.2.1), the ECN field by RFC 6040 §4.1 normal mode, which
// copies it too. The names of the two rules differ, the byte does not.
func outerTOS(inner uint8) uint8 { return inner }

// decapsulated is the ECN field of a packet leaving the tunnel, by the table of
// RFC 6040 §4.2; ok is false where the packet must be dropped: an inner packet
// of a transport without ECN cannot carry the outer congestion mark on.
func decapsulated(inner, outer uint8) (ecn uint8, ok bool) {
	inner, outer = inner&ecnMask, outer&ecnMask
	switch {
	case outer == ecnMarked:
		return ecnMarked, inner != notECT
	case outer == ect1 && inner == ect0:
		return ect1, true
	default:
		return inner, true
	}
}

// setECN writes the ECN field of an IP packet and, for IPv4, keeps its header
// checksum right. p must have been parsed from b.
func setECN(b []byte, p *packet, ecn uint8) {
	before := binary.BigEndian.Uint16(b)
	var after uint16
	if p.version == 4 {
		after = before&^ecnMask | uint16(ecn)
		field := adjust(binary.BigEndian.Uint16(b[10:]), before, after)
		binary.BigEndian.PutUint16(b[10:], field)
	} else {
		after = before&^(ecnMask<<4) | uint16(ecn)<<4
	}
	binary.BigEndian.PutUint16(b, after)
	p.tos = p.tos&^ecnMask | ecn
}

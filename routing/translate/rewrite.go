package translate

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is for what is not a packet whose headers can be followed. A
// packet with a routing header that is not at its end yet is one of these: the
// destination in its checksum is another.
var ErrMalformed = errors.New("translate: malformed packet")

const (
	protoHopByHop = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoDCCP     = 33
	protoRouting  = 43
	protoFragment = 44
	protoICMPv6   = 58
	protoDestOpts = 60
	protoMobility = 135
	protoUDPLite  = 136

	header4, header6 = 20, 40
	icmpHeader       = 8
	maxExtensions    = 8
)

// RewriteOutbound translates the packet b, which is to go to the peer, in
// place. If it returns an error, the packet is as it was.
func (t *Table) RewriteOutbound(b []byte) error {
	if t == nil {
		return nil
	}
	return t.outbound().rewrite(b)
}

// RewriteInbound translates a packet of the peer.
func (t *Table) RewriteInbound(b []byte) error {
	if t == nil {
		return nil
	}
	return t.inbound().rewrite(b)
}

// layout is where things are in a packet.
type layout struct {
	v4       bool
	protocol uint8
	upper    int  // offset of the upper layer
	end      int  // of the packet, which may be quoted in part only
	first    bool // not a later fragment
}

func (w way) rewrite(b []byte) error {
	var l layout
	if !l.read(b, false) {
		return ErrMalformed
	}
	d, ok := w.move(b, &l)
	if !ok {
		return ErrAmbiguous
	}
	l.settle(b, d)
	if at := l.quote(b); at > 0 {
		change := w.quoted().requote(b[at:l.end])
		update(b[l.upper+2:], change)
	}
	return nil
}

// requote translates a quoted packet, as much of it as is there, and gives what
// that adds to the sum over it.
func (w way) requote(b []byte) difference {
	var l layout
	if !l.read(b, true) {
		return 0
	}
	d, ok := w.move(b, &l)
	if !ok {
		return 0 // quoted by somebody who made it up
	}
	return d + l.settle(b, d)
}

// move writes the addresses, and gives what that adds to the sum over them.
func (w way) move(b []byte, l *layout) (difference, bool) {
	at, size := 8, 16
	read := address6
	if l.v4 {
		at, size, read = 12, 4, address4
	}
	src, okSrc := w.src.apply(read(b[at:]))
	dst, okDst := w.dst.apply(read(b[at+size:]))
	if !okSrc || !okDst {
		return 0, false
	}
	field := b[at : at+2*size]
	d := minus(field)
	src.put(field)
	dst.put(field[size:])
	return d + plus(field), true
}

// settle makes the checksums follow a change of addresses, and gives what that
// in turn adds to the sum over them.
func (l *layout) settle(b []byte, d difference) (change difference) {
	if l.v4 {
		change += update(b[10:], d)
	}
	at := l.checksum()
	if at < 0 || l.upper+at+2 > l.end {
		return change
	}
	field := b[l.upper+at:]
	if l.protocol == protoUDP && binary.BigEndian.Uint16(field) == 0 {
		return change // there is none (RFC 768)
	}
	change += update(field, d)
	if l.protocol == protoUDP && binary.BigEndian.Uint16(field) == 0 {
		binary.BigEndian.PutUint16(field, 0xffff) // the same sum
	}
	return change
}

// checksum is where in the upper layer there is one that covers the addresses;
// -1 if nowhere.
func (l *layout) checksum() int {
	if !l.first {
		return -1
	}
	switch l.protocol {
	case protoTCP:
		return 16
	case protoUDP, protoUDPLite, protoDCCP:
		return 6
	case protoMobility:
		return 4
	case protoICMPv6:
		if !l.v4 {
			return 2
		}
	}
	return -1
}

// quote is where the packet that an ICMP error is about begins; 0 if this is
// none.
func (l *layout) quote(b []byte) int {
	if !l.first || l.end < l.upper+icmpHeader {
		return 0
	}
	switch kind := b[l.upper]; {
	case l.protocol == protoICMP && l.v4:
		switch kind {
		case 3, 4, 5, 11, 12: // unreachable, quench, redirect, time exceeded, parameter
			return l.upper + icmpHeader
		}
	case l.protocol == protoICMPv6 && !l.v4 && kind < 128: // RFC 4443 §2.1
		return l.upper + icmpHeader
	}
	return 0
}

// read finds the layers. Of a quoted packet only the IP header must be there.
func (l *layout) read(b []byte, quoted bool) bool {
	if len(b) < header4 {
		return false
	}
	if b[0]>>4 == 4 {
		header, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if quoted {
			length = min(length, len(b))
		}
		if header < header4 || length < header || length > len(b) {
			return false
		}
		*l = layout{
			v4: true, protocol: b[9], upper: header, end: length,
			first: binary.BigEndian.Uint16(b[6:])&0x1fff == 0,
		}
		return true
	}
	if b[0]>>4 != 6 || len(b) < header6 {
		return false
	}
	length := header6 + int(binary.BigEndian.Uint16(b[4:]))
	if quoted {
		length = min(length, len(b))
	}
	if length > len(b) {
		return false
	}
	*l = layout{end: length, first: true}
	return l.walk(b[:length], quoted)
}

// walk follows the extension headers of IPv6 to the upper layer.
func (l *layout) walk(b []byte, quoted bool) bool {
	l.protocol, l.upper = b[6], header6
	for range maxExtensions {
		size := 8
		switch l.protocol {
		case protoHopByHop, protoRouting, protoDestOpts, protoFragment:
			if len(b) < l.upper+8 {
				l.first = false // cut off here: nothing behind it is known
				return quoted
			}
		default:
			return true
		}
		switch ext := b[l.upper:]; l.protocol {
		case protoRouting:
			if ext[3] != 0 {
				return false
			}
			size += int(ext[1]) * 8
		case protoFragment:
			l.first = binary.BigEndian.Uint16(ext[2:])&^7 == 0
		default:
			size += int(ext[1]) * 8
		}
		if len(b) < l.upper+size {
			l.first = false
			return quoted
		}
		l.protocol, l.upper = b[l.upper], l.upper+size
		if !l.first {
			return true
		}
	}
	return false
}

// difference is what a change adds to a sum of 16-bit words: the new words and
// the complements of the old, not folded yet.
type difference uint64

func plus(b []byte) (d difference) {
	for ; len(b) >= 2; b = b[2:] {
		d += difference(binary.BigEndian.Uint16(b))
	}
	return d
}

func minus(b []byte) (d difference) {
	for ; len(b) >= 2; b = b[2:] {
		d += difference(^binary.BigEndian.Uint16(b))
	}
	return d
}

// update makes the checksum at the beginning of b follow a change of what it
// covers (RFC 1624 §3, equation 3), and gives the change of the checksum.
func update(b []byte, d difference) difference {
	if d%0xffff == 0 {
		return 0 // nothing changes, and zero keeps its sign
	}
	old := binary.BigEndian.Uint16(b)
	acc := uint64(^old) + uint64(d)
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	next := ^uint16(acc)
	binary.BigEndian.PutUint16(b, next)
	return difference(^old) + difference(next)
}

package tunnel

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"causeway/esp/selector"
)

const (
	protoHopByHop = 0
	protoICMP     = 1
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoDCCP     = 33
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoESP      = 50
	protoICMPv6   = 58
	protoNone     = 59 // no next header; in ESP a dummy packet (RFC 4303 §2.6)
	protoDestOpts = 60
	protoSCTP     = 132
	protoMobility = 135
	protoUDPLite  = 136

	ipv4HeaderLen = 20
	ipv6HeaderLen = 40

	// maxExtensions bounds the walk along IPv6 extension headers. RFC 8200
	// §4.1 knows at most seven; more is an attack or a mistake.
	maxExtensions = 8
)

var errMalformed = errors.New("tunnel: malformed inner packet")

// flowKey is what tells flows apart, in a form that compares quickly:
// addresses, protocol and ports. An IPv4 address is the low half of a word.
type flowKey struct {
	srcHigh, srcLow uint64
	dstHigh, dstLow uint64
	upper           uint64 // version<<48 | ports known<<40 | protocol<<32 | ports
}

// packet is one inner packet, parsed. It keeps no reference to the bytes.
type packet struct {
	key       flowKey
	version   uint8
	tos       uint8 // DSCP and ECN
	protocol  uint8 // of the upper layer, behind IPv6 extension headers
	df        bool  // must not be fragmented by us; always for IPv6
	first     bool  // whole, or the first fragment: the upper header is here
	whole     bool  // no fragment at all
	length    int   // by the IP header, at most the bytes given
	headerLen int   // offset of the upper layer
}

// parse reads the headers of the inner packet b, up to the ports. b may be
// longer than the packet (TFC padding, RFC 4303 §2.7), never shorter.
func (p *packet) parse(b []byte) error {
	if len(b) < ipv4HeaderLen {
		return errMalformed
	}
	switch b[0] >> 4 {
	case 4:
		if err := p.parse4(b); err != nil {
			return err
		}
	case 6:
		if err := p.parse6(b); err != nil {
			return err
		}
	default:
		return errMalformed
	}
	return p.parseUpper(b[p.headerLen:p.length])
}

func (p *packet) parse4(b []byte) error {
	headerLen := int(b[0]&15) * 4
	length := int(binary.BigEndian.Uint16(b[2:]))
	if headerLen < ipv4HeaderLen || length < headerLen || length > len(b) {
		return errMalformed
	}
	fragment := binary.BigEndian.Uint16(b[6:])
	offset := fragment & 0x1fff
	more := fragment&0x2000 != 0
	if int(offset)*8+length-headerLen > 0xffff {
		return errMalformed // would reassemble to more than a packet can be
	}
	if offset == 1 && b[9] == protoTCP {
		return errMalformed // would lie over the flags of a header that was judged (RFC 4301 §7.2, RFC 1858 §4.2)
	}
	*p = packet{
		version: 4, tos: b[1], protocol: b[9],
		df:        fragment&0x4000 != 0,
		first:     offset == 0,
		whole:     offset == 0 && !more,
		length:    length,
		headerLen: headerLen,
	}
	p.key.srcLow = uint64(binary.BigEndian.Uint32(b[12:]))
	p.key.dstLow = uint64(binary.BigEndian.Uint32(b[16:]))
	return nil
}

func (p *packet) parse6(b []byte) error {
	if len(b) < ipv6HeaderLen {
		return errMalformed
	}
	length := ipv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	if length > len(b) {
		return errMalformed
	}
	*p = packet{
		version: 6,
		tos:     b[0]<<4 | b[1]>>4,
		df:      true, first: true, whole: true,
		length: length,
	}
	p.key.srcHigh = binary.BigEndian.Uint64(b[8:])
	p.key.srcLow = binary.BigEndian.Uint64(b[16:])
	p.key.dstHigh = binary.BigEndian.Uint64(b[24:])
	p.key.dstLow = binary.BigEndian.Uint64(b[32:])
	return p.walkExtensions(b[:length], b[6])
}

// walkExtensions finds the upper layer behind the IPv6 extension headers that
// RFC 4301 §4.4.1.1 skips; AH and ESP are upper layers to it.
func (p *packet) walkExtensions(b []byte, next uint8) error {
	at := ipv6HeaderLen
	for range maxExtensions {
		size := 0
		switch next {
		case protoHopByHop, protoRouting, protoDestOpts:
			if len(b) < at+8 {
				return errMalformed
			}
			size = int(b[at+1])*8 + 8
		case protoFragment:
			if len(b) < at+8 {
				return errMalformed
			}
			size = 8
			fragment := binary.BigEndian.Uint16(b[at+2:])
			p.first = fragment&^7 == 0
			p.whole = p.first && fragment&1 == 0
		default:
			p.protocol, p.headerLen = next, at
			return nil
		}
		if len(b) < at+size {
			return errMalformed
		}
		next, at = b[at], at+size
		if !p.first {
			// What follows is the middle of a payload, not a header.
			p.protocol, p.headerLen = next, at
			return nil
		}
	}
	return errMalformed
}

// parseUpper takes the ports, or what stands for them (RFC 4301 §4.4.1.1).
// A first fragment too short to show them is refused (RFC 4301 §7.4, RFC 1858).
func (p *packet) parseUpper(upper []byte) error {
	known, ports := uint64(0), uint64(0)
	if p.first {
		switch p.protocol {
		case protoTCP, protoUDP, protoSCTP, protoDCCP, protoUDPLite:
			if len(upper) < 4 {
				return errMalformed
			}
			known, ports = 1, uint64(binary.BigEndian.Uint32(upper))
		case protoICMP, protoICMPv6:
			if len(upper) < 4 {
				return errMalformed
			}
			known, ports = 1, uint64(binary.BigEndian.Uint16(upper))<<16
		case protoMobility:
			if len(upper) < 4 {
				return errMalformed
			}
			known, ports = 1, uint64(upper[2])<<24
		}
	}
	p.key.upper = uint64(p.version)<<48 | known<<40 | uint64(p.protocol)<<32 | ports
	return nil
}

// nextHeader is what ESP says of the packet in tunnel mode (RFC 4303 §2.6).
func (p *packet) nextHeader() uint8 {
	if p.version == 6 {
		return protoIPv6
	}
	return protoIPv4
}

func (k *flowKey) addresses() (src, dst netip.Addr) {
	if k.upper>>48 == 4 {
		var s, d [4]byte
		binary.BigEndian.PutUint32(s[:], uint32(k.srcLow))
		binary.BigEndian.PutUint32(d[:], uint32(k.dstLow))
		return netip.AddrFrom4(s), netip.AddrFrom4(d)
	}
	var s, d [16]byte
	binary.BigEndian.PutUint64(s[:8], k.srcHigh)
	binary.BigEndian.PutUint64(s[8:], k.srcLow)
	binary.BigEndian.PutUint64(d[:8], k.dstHigh)
	binary.BigEndian.PutUint64(d[8:], k.dstLow)
	return netip.AddrFrom16(s), netip.AddrFrom16(d)
}

// flow is the key in the form that selectors understand.
func (k *flowKey) flow() selector.Flow {
	src, dst := k.addresses()
	return selector.Flow{
		Src: src, Dst: dst,
		Protocol: uint8(k.upper >> 32),
		SrcPort:  uint16(k.upper >> 16),
		DstPort:  uint16(k.upper),
		Ports:    k.upper>>40&1 != 0,
	}
}

package tunnel

import (
	"encoding/binary"

	"causeway/tunnel/tun"
)

const (
	udpChecksumAt = 6
	tcpChecksumAt = 16

	// maxTemplate holds the headers that every segment repeats: those of IPv6
	// with extensions, and the longest of TCP.
	maxTemplate = 256

	tcpFlagFIN = 0x01
	tcpFlagPSH = 0x08
	tcpFlagCWR = 0x80
)

// segmenter cuts a superpacket into the packets that its sender would have
// sent without TSO or USO. It works in place: the headers of a segment are
// written over the end of the one before, which must have been used by then.
type segmenter struct {
	b      []byte
	header int // IP and TCP or UDP header together
	upper  int // offset of the TCP or UDP header
	size   int // payload of each segment but the last
	at     int // payload bytes done

	v4, tcp  bool
	id       uint16 // IPv4: of the next segment
	sequence uint32 // TCP: of the next segment
	flags    uint8  // TCP: of the superpacket
	sumIP    uint64 // of the IPv4 header without what changes
	sumUpper uint64 // of the pseudo-header and the header without what changes
	template [maxTemplate]byte
}

// start prepares to cut b, of which p is the parsed header. It refuses what
// contradicts itself: nothing in o is believed that b does not say too.
func (s *segmenter) start(b []byte, p *packet, o *tun.Offload) error {
	if !p.whole || o.SegmentSize <= 0 {
		return errMalformed
	}
	upperLen := udpHeaderLen
	switch {
	case o.Kind == tun.TCP4 && p.version == 4 && p.protocol == protoTCP,
		o.Kind == tun.TCP6 && p.version == 6 && p.protocol == protoTCP:
		if p.length < p.headerLen+tcpHeaderLen {
			return errMalformed
		}
		upperLen = int(b[p.headerLen+12]>>4) * 4
		if upperLen < tcpHeaderLen {
			return errMalformed
		}
	case o.Kind == tun.UDP && p.protocol == protoUDP:
	default:
		return errMalformed
	}
	s.b, s.upper, s.header, s.size, s.at = b[:p.length], p.headerLen, p.headerLen+upperLen, o.SegmentSize, 0
	if s.header >= p.length || s.header > maxTemplate {
		return errMalformed
	}
	s.v4, s.tcp = p.version == 4, p.protocol == protoTCP
	copy(s.template[:], b[:s.header])
	s.blank()
	src, dst := p.key.addresses()
	s.sumUpper = sum(s.template[s.upper:s.header], pseudoHeader(src, dst, p.protocol, 0))
	return nil
}

// blank takes out of the template what changes from segment to segment.
func (s *segmenter) blank() {
	upper := s.template[s.upper:s.header]
	if s.tcp {
		s.sequence = binary.BigEndian.Uint32(upper[4:])
		s.flags = upper[13]
		clear(upper[4:8])
		upper[13] = 0
		clear(upper[tcpChecksumAt : tcpChecksumAt+2])
	} else {
		s.flags = 0
		clear(upper[4 : udpChecksumAt+2])
	}
	if s.v4 {
		ip := s.template[:s.upper]
		s.id = binary.BigEndian.Uint16(ip[4:])
		clear(ip[2:6])
		clear(ip[10:12])
		s.sumIP = sum(ip, 0)
	}
}

// count is how many segments are left.
func (s *segmenter) count() int {
	return (len(s.b) - s.header - s.at + s.size - 1) / s.size
}

// length is that of the next segment, as a packet; all but the last have it.
func (s *segmenter) length() int {
	return s.header + min(s.size, len(s.b)-s.header-s.at)
}

// lastLength is the length of segment number n of those left, counted from 1.
func (s *segmenter) lastLength(n int) int {
	return s.header + min(s.size, len(s.b)-s.header-s.at-(n-1)*s.size)
}

// next is the next segment, which lasts until the one after it. There must be
// one.
func (s *segmenter) next() []byte {
	length := s.length()
	first, last := s.at == 0, s.header+s.at+s.size >= len(s.b)
	b := s.b[s.at : s.at+length : s.at+length]
	copy(b, s.template[:s.header])
	if s.v4 {
		binary.BigEndian.PutUint16(b[2:], uint16(length))
		binary.BigEndian.PutUint16(b[4:], s.id)
		binary.BigEndian.PutUint16(b[10:], ^fold(s.sumIP+uint64(length)+uint64(s.id)))
		s.id++
	} else {
		binary.BigEndian.PutUint16(b[4:], uint16(length-ipv6HeaderLen))
	}
	upper := b[s.upper:]
	acc := sum(b[s.header:], s.sumUpper+uint64(len(upper)))
	if s.tcp {
		s.stampTCP(upper, acc, first, last)
	} else {
		binary.BigEndian.PutUint16(upper[4:], uint16(len(upper)))
		binary.BigEndian.PutUint16(upper[udpChecksumAt:], nonZero(^fold(acc+uint64(len(upper)))))
	}
	s.at += length - s.header
	return b
}

// skip passes over the next n segments. There must be as many.
func (s *segmenter) skip(n int) {
	s.at = min(s.at+n*s.size, len(s.b)-s.header)
	s.id += uint16(n)
	s.sequence += uint32(n * s.size)
}

// stampTCP writes what differs between the TCP headers: CWR is for the first
// segment (RFC 3168 §6.1.2), FIN and PSH are for the last.
func (s *segmenter) stampTCP(tcp []byte, acc uint64, first, last bool) {
	flags := s.flags
	if !first {
		flags &^= tcpFlagCWR
	}
	if !last {
		flags &^= tcpFlagFIN | tcpFlagPSH
	}
	binary.BigEndian.PutUint32(tcp[4:], s.sequence)
	tcp[13] = flags
	acc += uint64(s.sequence>>16) + uint64(s.sequence&0xffff) + uint64(flags)
	binary.BigEndian.PutUint16(tcp[tcpChecksumAt:], ^fold(acc))
	s.sequence += uint32(s.size)
}

// nonZero is a checksum as UDP writes it, where 0 means that there is none
// (RFC 768); to others the two are the same.
func nonZero(field uint16) uint16 {
	if field == 0 {
		return 0xffff
	}
	return field
}

// complete computes the checksum that the kernel left to us.
func complete(b []byte, o *tun.Offload) error {
	at := o.ChecksumStart + o.ChecksumOffset
	if o.ChecksumStart < 0 || o.ChecksumStart >= len(b) || o.ChecksumOffset < 0 || at+2 > len(b) {
		return errMalformed
	}
	field := nonZero(checksum(b[o.ChecksumStart:], 0))
	binary.BigEndian.PutUint16(b[at:], field)
	return nil
}

package tunnel

import "encoding/binary"

const (
	tcpHeaderLen = 20
	tcpFlagSYN   = 0x02

	tcpOptionEnd = 0
	tcpOptionNop = 1
	tcpOptionMSS = 2
)

// clampMSS lowers the MSS option of a TCP SYN so that full segments of the
// connection are no longer than what fits the path (RFC 9293 §3.7.1), also where that
// is less than the least MTU of IPv6. The TCP checksum follows by RFC 1624. A SYN
// without the option is left alone: its default of 536 and 1220 may enter every
// tunnel. p must have been parsed from b.
func clampMSS(b []byte, p *packet, fits int) {
	if p.protocol != protoTCP || !p.whole || p.length < p.headerLen+tcpHeaderLen {
		return
	}
	tcp := b[p.headerLen:p.length]
	if tcp[13]&tcpFlagSYN == 0 {
		return
	}
	headerLen := int(tcp[12]>>4) * 4
	if headerLen < tcpHeaderLen || headerLen > len(tcp) {
		return
	}
	fits = max(fits, minMTU4)
	limit := fits - tcpHeaderLen - ipv4HeaderLen
	if p.version == 6 {
		limit = fits - tcpHeaderLen - ipv6HeaderLen
	}
	if limit < 1 || limit > 0xffff {
		return
	}
	at, ok := mssOption(tcp[:headerLen])
	if !ok || binary.BigEndian.Uint16(tcp[at:]) <= uint16(limit) {
		return
	}
	writeMSS(tcp, at, uint16(limit))
}

// mssOption is the offset of the value of the MSS option in a TCP header.
func mssOption(header []byte) (at int, ok bool) {
	for i := tcpHeaderLen; i < len(header); {
		switch header[i] {
		case tcpOptionEnd:
			return 0, false
		case tcpOptionNop:
			i++
			continue
		}
		if i+1 >= len(header) {
			return 0, false
		}
		size := int(header[i+1])
		if size < 2 || i+size > len(header) {
			return 0, false
		}
		if header[i] == tcpOptionMSS && size == 4 {
			return i + 2, true
		}
		i += size
	}
	return 0, false
}

// writeMSS replaces the value at offset at, which may straddle two of the
// 16-bit words that the checksum is made of.
func writeMSS(tcp []byte, at int, value uint16) {
	field := binary.BigEndian.Uint16(tcp[16:])
	even := at &^ 1
	words := [2]uint16{binary.BigEndian.Uint16(tcp[even:]), 0}
	if at != even {
		words[1] = binary.BigEndian.Uint16(tcp[even+2:])
	}
	binary.BigEndian.PutUint16(tcp[at:], value)
	field = adjust(field, words[0], binary.BigEndian.Uint16(tcp[even:]))
	if at != even {
		field = adjust(field, words[1], binary.BigEndian.Uint16(tcp[even+2:]))
	}
	binary.BigEndian.PutUint16(tcp[16:], field)
}

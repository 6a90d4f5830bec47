package tunnel

import (
	"encoding/binary"
	"net/netip"
)

// icmpError is why an outbound packet is answered with an ICMP error.
type icmpError uint8

const (
	icmpTooBig          icmpError = iota // fragmentation needed, or packet too big
	icmpProhibited                       // no connection wants the packet: administratively prohibited
	icmpHostUnreachable                  // the connection has no Child SA for it
)

const (
	icmpHeaderLen = 8

	// The whole error stays within what every host must accept: RFC 1812
	// §4.3.2.3 and RFC 4443 §2.4 (c).
	icmp4MaxLen = 576
	icmp6MaxLen = 1280
	icmpMaxLen  = icmp6MaxLen

	icmpTTL = 64
)

// mayAnswer tells whether an ICMP error may be sent about the packet
// (RFC 1122 §3.2.2, RFC 4443 §2.4 (e)): never about an ICMP error or redirect,
// a fragment other than the first, or a packet whose source or destination is
// not one host.
func mayAnswer(b []byte, p *packet, src, dst netip.Addr) bool {
	if !p.first || !oneHost(src) {
		return false
	}
	// RFC 4443 §2.4 (e.3) excepts packet too big, for multicast path MTU
	// discovery; ours goes to unicast networks only.
	if !oneHost(dst) {
		return false
	}
	upper := b[p.headerLen:p.length]
	switch {
	case p.protocol == protoICMP && p.version == 4:
		return len(upper) > 0 && !icmp4IsError(upper[0])
	case p.protocol == protoICMPv6 && p.version == 6:
		// Types below 128 are errors (RFC 4443 §2.1); 137 is a redirect.
		return len(upper) > 0 && upper[0] >= 128 && upper[0] != 137
	}
	return true
}

func icmp4IsError(kind uint8) bool {
	switch kind {
	case 3, 4, 5, 11, 12: // unreachable, quench, redirect, time exceeded, parameter
		return true
	}
	return false
}

func oneHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// appendICMP appends the ICMP error about the packet b to dst, addressed to
// its source. from is our address; where it is not of the packet's family the
// error comes in the name of the destination, the one address certain to be
// routed to the tunnel, so that reverse path filters let it pass. dst must
// have room for icmpMaxLen bytes.
func appendICMP(dst, b []byte, p *packet, from netip.Addr, why icmpError, mtu int) []byte {
	src, to := p.key.addresses()
	if from.Is4() != src.Is4() || !from.IsValid() {
		from = to
	}
	if p.version == 4 {
		return appendICMP4(dst, b[:p.length], from, src, why, mtu)
	}
	return appendICMP6(dst, b[:p.length], from, src, why, mtu)
}

func appendICMP4(dst, b []byte, from, to netip.Addr, why icmpError, mtu int) []byte {
	quoted := min(len(b), icmp4MaxLen-ipv4HeaderLen-icmpHeaderLen)
	total := ipv4HeaderLen + icmpHeaderLen + quoted
	at := len(dst)
	dst = dst[:at+total]
	out := dst[at:]
	clear(out[:ipv4HeaderLen+icmpHeaderLen])
	out[0] = 0x45
	out[1] = 0xc0 // internetwork control, RFC 1812 §4.3.2.5
	binary.BigEndian.PutUint16(out[2:], uint16(total))
	out[8], out[9] = icmpTTL, protoICMP
	f, t := from.As4(), to.As4()
	copy(out[12:], f[:])
	copy(out[16:], t[:])
	binary.BigEndian.PutUint16(out[10:], checksum(out[:ipv4HeaderLen], 0))

	icmp := out[ipv4HeaderLen:]
	icmp[0] = 3 // destination unreachable
	switch why {
	case icmpTooBig:
		icmp[1] = 4
		binary.BigEndian.PutUint16(icmp[6:], uint16(mtu)) // RFC 1191 §4
	case icmpProhibited:
		icmp[1] = 13
	case icmpHostUnreachable:
		icmp[1] = 1
	}
	copy(icmp[icmpHeaderLen:], b[:quoted])
	binary.BigEndian.PutUint16(icmp[2:], checksum(icmp, 0))
	return dst
}

func appendICMP6(dst, b []byte, from, to netip.Addr, why icmpError, mtu int) []byte {
	quoted := min(len(b), icmp6MaxLen-ipv6HeaderLen-icmpHeaderLen)
	size := icmpHeaderLen + quoted
	at := len(dst)
	dst = dst[:at+ipv6HeaderLen+size]
	out := dst[at:]
	clear(out[:ipv6HeaderLen+icmpHeaderLen])
	out[0] = 0x60
	binary.BigEndian.PutUint16(out[4:], uint16(size))
	out[6], out[7] = protoICMPv6, icmpTTL
	f, t := from.As16(), to.As16()
	copy(out[8:], f[:])
	copy(out[24:], t[:])

	icmp := out[ipv6HeaderLen:]
	switch why {
	case icmpTooBig:
		icmp[0] = 2
		binary.BigEndian.PutUint32(icmp[4:], uint32(mtu))
	case icmpProhibited:
		icmp[0], icmp[1] = 1, 1
	case icmpHostUnreachable:
		icmp[0], icmp[1] = 1, 3
	}
	copy(icmp[icmpHeaderLen:], b[:quoted])
	binary.BigEndian.PutUint16(icmp[2:], checksum(icmp, pseudoHeader(from, to, protoICMPv6, size)))
	return dst
}

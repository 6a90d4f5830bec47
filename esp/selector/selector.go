// Package selector is the traffic selector of RFC 4301 §4.4.1.1 as IKEv2
// carries it (RFC 7296 §3.13.1): which addresses, protocol and ports a Child SA
// may carry, what two peers agree on when both name some (RFC 7296 §2.9), and
// the form compiled for the data path that judges each packet.
//
// It holds no security policy database and parses no packet: connections own
// the order of policies, and the tunnel fills in a Flow.
//
// Selector and List are plain values. A Policy is immutable and safe for
// concurrent use.
package selector

import (
	"net/netip"
)

// Selector is one range of addresses with the protocol and the ports that
// belong to it. The zero value is not valid.
type Selector struct {
	// Protocol is the IP protocol number, or 0 for any.
	Protocol uint8
	// StartPort and EndPort are inclusive: 0 to 65535 is any port, and 65535
	// to 0 is OPAQUE, the traffic whose ports cannot be seen (RFC 4301
	// §4.4.1.1). ICMP and mobility header messages have their type in the high
	// and their code in the low eight bits.
	StartPort, EndPort uint16
	// Start and End are inclusive, of one family, without zone, and never
	// IPv4 mapped into IPv6.
	Start, End netip.Addr
}

// FromPrefix selects all traffic of p's addresses; bits of p beyond its length
// do not count. The result is not Valid when p is not.
func FromPrefix(p netip.Prefix) Selector {
	p = p.Masked()
	if !p.IsValid() {
		return Selector{}
	}
	return Selector{EndPort: anyPortEnd, Start: p.Addr(), End: lastAddr(p)}
}

const anyPortEnd = 65535

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

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

import "net/netip"

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

// The ends of the two port ranges that mean something else than a range.
const (
	lowestPort  = 0
	highestPort = 65535
)

// IP protocol numbers with a rule of their own.
const (
	protocolAny      = 0
	protocolICMP     = 1
	protocolICMPv6   = 58
	protocolMobility = 135
)

// FromPrefix selects all traffic of p's addresses; bits of p beyond its length
// do not count. The result is not Valid when p is not.
func FromPrefix(p netip.Prefix) Selector {
	p = p.Masked()
	if !p.IsValid() {
		return Selector{}
	}
	return Selector{EndPort: highestPort, Start: p.Addr(), End: lastAddr(p)}
}

// Valid reports whether s could be sent: addresses of one family in order,
// ports in order or OPAQUE, and no ports named without a protocol (RFC 7296
// §3.13.1).
func (s Selector) Valid() bool {
	if !plainAddr(s.Start) || !plainAddr(s.End) || s.Start.Is4() != s.End.Is4() || s.End.Less(s.Start) {
		return false
	}
	if s.opaque() || s.anyPort() {
		return true
	}
	return s.Protocol != protocolAny && s.StartPort <= s.EndPort
}

// Is4 reports whether s selects IPv4.
func (s Selector) Is4() bool { return s.Start.Is4() }

// Contains reports whether all traffic of o is traffic of s. A selector that is
// not Valid contains nothing and is contained in nothing.
func (s Selector) Contains(o Selector) bool {
	i, ok := s.Intersect(o)
	return ok && i == o
}

// Intersect returns the traffic that both select; ok is false when there is
// none.
func (s Selector) Intersect(o Selector) (i Selector, ok bool) {
	if !s.Valid() || !o.Valid() || s.Is4() != o.Is4() {
		return Selector{}, false
	}
	i = s
	if i.Protocol == protocolAny {
		i.Protocol = o.Protocol
	} else if o.Protocol != protocolAny && o.Protocol != i.Protocol {
		return Selector{}, false
	}
	if i.Start.Less(o.Start) {
		i.Start = o.Start
	}
	if o.End.Less(i.End) {
		i.End = o.End
	}
	if i.End.Less(i.Start) || !i.intersectPorts(o) {
		return Selector{}, false
	}
	return i, true
}

// intersectPorts narrows s's ports to o's. ANY includes OPAQUE, a range does
// not (RFC 4301 §4.4.1.1).
func (s *Selector) intersectPorts(o Selector) bool {
	switch {
	case o.anyPort():
		return true
	case s.anyPort():
		s.StartPort, s.EndPort = o.StartPort, o.EndPort
		return true
	case s.opaque() || o.opaque():
		return s.opaque() && o.opaque()
	}
	s.StartPort = max(s.StartPort, o.StartPort)
	s.EndPort = min(s.EndPort, o.EndPort)
	return s.StartPort <= s.EndPort
}

func (s Selector) anyPort() bool { return s.StartPort == lowestPort && s.EndPort == highestPort }

func (s Selector) opaque() bool { return s.StartPort == highestPort && s.EndPort == lowestPort }

// oneSelector reports whether a protocol has a single type in place of a pair
// of ports (RFC 4301 §4.4.1.3 B).
func oneSelector(protocol uint8) bool {
	return protocol == protocolICMP || protocol == protocolICMPv6 || protocol == protocolMobility
}

func plainAddr(a netip.Addr) bool { return a.IsValid() && !a.Is4In6() && a.Zone() == "" }

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

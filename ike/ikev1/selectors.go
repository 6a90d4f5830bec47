package ikev1

import (
	"fmt"
	"net/netip"

	"causeway/esp/selector"
	"causeway/ike/ikev1/isakmp"
)

// The ID payloads of Quick Mode name one range of addresses for each side, with
// at most one protocol and port (RFC 2407 §4.6.2).

// idOf is a selector as an ID payload: a host, a subnet, or a range.
func idOf(s selector.Selector) *isakmp.Identification {
	p := &isakmp.Identification{Protocol: s.Protocol}
	if s.StartPort == s.EndPort {
		p.Port = s.StartPort
	}
	host, subnet, span := isakmp.IDIPv4Addr, isakmp.IDIPv4AddrSubnet, isakmp.IDIPv4AddrRange
	if !s.Is4() {
		host, subnet, span = isakmp.IDIPv6Addr, isakmp.IDIPv6AddrSubnet, isakmp.IDIPv6AddrRange
	}
	prefix, isPrefix := prefixOf(s)
	switch {
	case isPrefix && prefix.IsSingleIP():
		p.IDType, p.Data = host, s.Start.AsSlice()
	case isPrefix:
		p.IDType, p.Data = subnet, append(s.Start.AsSlice(), mask(prefix)...)
	default:
		p.IDType, p.Data = span, append(s.Start.AsSlice(), s.End.AsSlice()...)
	}
	return p
}

// prefixOf is the prefix that a selector's addresses are, if they are one.
func prefixOf(s selector.Selector) (netip.Prefix, bool) {
	for bits := range s.Start.BitLen() + 1 {
		p := netip.PrefixFrom(s.Start, bits)
		if p.Masked() == p && selector.FromPrefix(p).End == s.End {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

func mask(p netip.Prefix) []byte {
	out := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		out[i/8] |= 0x80 >> (i % 8)
	}
	return out
}

// selectorOf reads an ID payload of Quick Mode.
func selectorOf(p *isakmp.Identification) (selector.Selector, error) {
	s := selector.Selector{Protocol: p.Protocol, EndPort: 65535}
	if p.Port != 0 {
		s.StartPort, s.EndPort = p.Port, p.Port
	}
	half := len(p.Data) / 2
	switch p.IDType {
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		s.Start, _ = netip.AddrFromSlice(p.Data)
		s.End = s.Start
	case isakmp.IDIPv4AddrRange, isakmp.IDIPv6AddrRange:
		s.Start, _ = netip.AddrFromSlice(p.Data[:half])
		s.End, _ = netip.AddrFromSlice(p.Data[half:])
	case isakmp.IDIPv4AddrSubnet, isakmp.IDIPv6AddrSubnet:
		start, _ := netip.AddrFromSlice(p.Data[:half])
		bits, ok := maskBits(p.Data[half:])
		if !ok {
			return s, fmt.Errorf("ikev1: %v with a mask that is none", p.IDType)
		}
		subnet := selector.FromPrefix(netip.PrefixFrom(start, bits))
		s.Start, s.End = subnet.Start, subnet.End
	default:
		return s, fmt.Errorf("ikev1: %v names no addresses", p.IDType)
	}
	if !s.Valid() {
		return s, fmt.Errorf("ikev1: %v selects nothing", p.IDType)
	}
	return s, nil
}

// maskBits is the length of the prefix that a mask stands for.
func maskBits(m []byte) (bits int, ok bool) {
	for i := range 8 * len(m) {
		if m[i/8]&(0x80>>(i%8)) == 0 {
			break
		}
		bits++
	}
	for i := bits; i < 8*len(m); i++ {
		if m[i/8]&(0x80>>(i%8)) != 0 {
			return 0, false
		}
	}
	return bits, true
}

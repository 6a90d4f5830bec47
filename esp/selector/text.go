package selector

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// protocolNames are the protocols people name; others are written as numbers.
var protocolNames = []struct {
	name   string
	number uint8
}{
	{"any", protocolAny},
	{"icmp", protocolICMP},
	{"tcp", 6},
	{"udp", 17},
	{"gre", 47},
	{"esp", 50},
	{"ah", 51},
	{"ipv6-icmp", protocolICMPv6},
	{"ospf", 89},
	{"sctp", 132},
	{"mobility", protocolMobility},
	{"udplite", 136},
}

// Parse reads a prefix, an address or a range of addresses, followed if need be
// by the protocol and the ports in brackets: "10.1.0.0/16",
// "10.0.0.1-10.0.0.9", "10.1.0.0/16[tcp/443]", "2001:db8::/32[udp/500-510]",
// "10.1.0.0/16[icmp/3:4]" for a type and code, "0.0.0.0/0[tcp/opaque]".
func Parse(text string) (Selector, error) {
	addresses, rest, bracket := strings.Cut(text, "[")
	s, err := parseAddresses(addresses)
	if err != nil {
		return Selector{}, fmt.Errorf("selector: %q: %w", text, err)
	}
	if !bracket {
		return s, nil
	}
	inner, closed := strings.CutSuffix(rest, "]")
	if !closed {
		return Selector{}, fmt.Errorf("selector: %q: the closing bracket is missing", text)
	}
	if err := s.parseProtocol(inner); err != nil {
		return Selector{}, fmt.Errorf("selector: %q: %w", text, err)
	}
	return s, nil
}

func parseAddresses(text string) (Selector, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return Selector{}, fmt.Errorf("not a prefix such as 10.1.0.0/16: %w", err)
		case !plainAddr(p.Addr()):
			return Selector{}, fmt.Errorf("write the IPv4 address itself, not one mapped into IPv6")
		case p != p.Masked():
			return Selector{}, fmt.Errorf("bits beyond the prefix length are set; write %v", p.Masked())
		}
		return FromPrefix(p), nil
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	start, err := netip.ParseAddr(first)
	if err != nil {
		return Selector{}, fmt.Errorf("not an address, a range or a prefix: %w", err)
	}
	end, err := netip.ParseAddr(last)
	if err != nil {
		return Selector{}, fmt.Errorf("not the end of a range of addresses: %w", err)
	}
	s := Selector{EndPort: highestPort, Start: start, End: end}
	if !s.Valid() {
		return Selector{}, fmt.Errorf("a range goes from a lower to a higher address of one family, without zone")
	}
	return s, nil
}

func (s *Selector) parseProtocol(text string) error {
	name, ports, hasPorts := strings.Cut(text, "/")
	number, err := protocolNumber(name)
	if err != nil {
		return err
	}
	s.Protocol = number
	switch {
	case !hasPorts:
		return nil
	case ports == "opaque":
		s.StartPort, s.EndPort = highestPort, lowestPort
		return nil
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	var ok1, ok2 bool
	s.StartPort, _, ok1 = parsePort(number, first)
	_, s.EndPort, ok2 = parsePort(number, last)
	if !ok1 || !ok2 || !s.Valid() {
		return fmt.Errorf("%q is neither a port, a range of ports nor opaque for protocol %s", ports, protocolName(number))
	}
	return nil
}

// parsePort reads one port, or a type with or without its code; a type alone
// stands for all of its codes.
func parsePort(protocol uint8, text string) (first, last uint16, ok bool) {
	if !oneSelector(protocol) {
		n, err := strconv.ParseUint(text, 10, 16)
		return uint16(n), uint16(n), err == nil
	}
	kind, code, hasCode := strings.Cut(text, ":")
	k, err := strconv.ParseUint(kind, 10, 8)
	if err != nil {
		return 0, 0, false
	}
	if !hasCode {
		return uint16(k) << 8, uint16(k)<<8 | 0xff, true
	}
	c, err := strconv.ParseUint(code, 10, 8)
	return uint16(k<<8 | c), uint16(k<<8 | c), err == nil
}

func protocolNumber(name string) (uint8, error) {
	for _, p := range protocolNames {
		if p.name == name {
			return p.number, nil
		}
	}
	n, err := strconv.ParseUint(name, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("unknown protocol %q: use tcp, udp, icmp, ipv6-icmp, another name or a number up to 255", name)
	}
	return uint8(n), nil
}

func protocolName(number uint8) string {
	for _, p := range protocolNames {
		if p.number == number {
			return p.name
		}
	}
	return strconv.Itoa(int(number))
}

// String writes what Parse reads, in one form only.
func (s Selector) String() string {
	if !s.Valid() {
		return "invalid selector"
	}
	b := s.appendAddresses(make([]byte, 0, 64))
	if s.Protocol == protocolAny && s.anyPort() {
		return string(b)
	}
	b = append(b, '[')
	b = append(b, protocolName(s.Protocol)...)
	b = s.appendPorts(b)
	return string(append(b, ']'))
}

func (s Selector) appendAddresses(b []byte) []byte {
	if p, ok := s.Prefix(); ok {
		return p.AppendTo(b)
	}
	b = s.Start.AppendTo(b)
	b = append(b, '-')
	return s.End.AppendTo(b)
}

func (s Selector) appendPorts(b []byte) []byte {
	switch {
	case s.anyPort():
		return b
	case s.opaque():
		return append(b, "/opaque"...)
	}
	b = append(b, '/')
	if !oneSelector(s.Protocol) {
		b = strconv.AppendUint(b, uint64(s.StartPort), 10)
		if s.EndPort != s.StartPort {
			b = append(b, '-')
			b = strconv.AppendUint(b, uint64(s.EndPort), 10)
		}
		return b
	}
	allCodes := s.StartPort&0xff == 0 && s.EndPort&0xff == 0xff
	b = appendType(b, s.StartPort, !allCodes)
	if s.StartPort == s.EndPort || allCodes && s.StartPort>>8 == s.EndPort>>8 {
		return b
	}
	b = append(b, '-')
	return appendType(b, s.EndPort, !allCodes)
}

func appendType(b []byte, port uint16, withCode bool) []byte {
	b = strconv.AppendUint(b, uint64(port>>8), 10)
	if withCode {
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(port&0xff), 10)
	}
	return b
}

// Prefix returns the addresses as one prefix; ok is false when they are not
// one.
func (s Selector) Prefix() (p netip.Prefix, ok bool) {
	if !s.Valid() {
		return netip.Prefix{}, false
	}
	first, last := s.Start.AsSlice(), s.End.AsSlice()
	bits := 0
	for bits < len(first)*8 && (first[bits/8]^last[bits/8])&(0x80>>(bits%8)) == 0 {
		bits++
	}
	p = netip.PrefixFrom(s.Start, bits)
	return p, p.Masked().Addr() == s.Start && lastAddr(p) == s.End
}

package config

import (
	"fmt"
	"net/netip"
	"strings"
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// parseAddr reads an address of this machine or a peer: one that a packet can
// be sent to, without a zone.
func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil && strings.Contains(text, "/"):
		return a, fmt.Errorf("must be one address, without a prefix length, not %s", quote(text))
	case err != nil:
		return a, errNotAllowed
	case a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%s has a zone: link-local addresses cannot be used", quote(text))
	case a.Is4In6():
		return netip.Addr{}, fmt.Errorf("%s is an IPv4 address in IPv6 form: write %s", quote(text), a.Unmap())
	case a.IsUnspecified() || a.IsMulticast() || a == broadcast:
		return netip.Addr{}, fmt.Errorf("%s is not the address of one machine", quote(text))
	}
	return a, nil
}

var listenAddr = kind[netip.Addr]{
	shape: shape{Type: "string", Allowed: "an IPv4 or IPv6 address of this machine"},
	text:  true,
	parse: func(text string) (netip.Addr, error) {
		if a, err := netip.ParseAddr(text); err == nil && a.IsUnspecified() {
			return netip.Addr{}, fmt.Errorf("%s stands for every address: leave listen.addresses out for that", quote(text))
		}
		return parseAddr(text)
	},
}

// plainAddr is one address.
var plainAddr = kind[netip.Addr]{
	shape: shape{Type: "string", Allowed: "an IPv4 or IPv6 address"},
	text:  true,
	parse: parseAddr,
}

// interfaceAddr is an address with its prefix length: host bits are wanted.
var interfaceAddr = kind[netip.Prefix]{
	shape: shape{Type: "string", Allowed: "an address with a prefix length, such as 169.254.21.2/30", Pattern: `^[0-9A-Fa-f:.]+/[0-9]{1,3}$`},
	text:  true,
	parse: func(text string) (netip.Prefix, error) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			if a, err := netip.ParseAddr(text); err == nil {
				return p, fmt.Errorf("%s has no prefix length: write %s/%d for this address alone", quote(text), text, a.BitLen())
			}
			return p, errNotAllowed
		}
		if p.Addr().IsUnspecified() || p.Addr().IsMulticast() || p.Addr().Is4In6() {
			return netip.Prefix{}, errNotAllowed
		}
		return p, nil
	},
}

// network is a prefix of addresses behind a gateway: without host bits.
var network = kind[netip.Prefix]{
	shape: shape{Type: "string", Allowed: "a network such as 10.1.0.0/16 or 2001:db8::/32", Pattern: `^[0-9A-Fa-f:.]+/[0-9]{1,3}$`},
	text:  true,
	parse: func(text string) (netip.Prefix, error) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			if a, err := netip.ParseAddr(text); err == nil {
				return p, fmt.Errorf("%s has no prefix length: write %s/%d for this address alone", quote(text), text, a.BitLen())
			}
			return p, errNotAllowed
		}
		switch masked := p.Masked(); {
		case masked != p:
			return netip.Prefix{}, fmt.Errorf("%s has bits set after its first %d: write %s for the network, or %s/%d for the address alone",
				quote(text), p.Bits(), masked, p.Addr(), p.Addr().BitLen())
		case p.Addr().Is4In6():
			return netip.Prefix{}, fmt.Errorf("%s is an IPv4 network in IPv6 form: write it as IPv4", quote(text))
		case p.Bits() > 0 && p.Addr().IsMulticast() || p.Addr().IsLoopback():
			return netip.Prefix{}, fmt.Errorf("%s is multicast or loopback, which is not routed to a peer", quote(text))
		}
		return p, nil
	},
}

// peerAddr is one address or DNS name of a peer.
var peerAddr = kind[Address]{
	shape: shape{Type: "string", Allowed: "an address or a DNS name"},
	text:  true,
	parse: func(text string) (Address, error) {
		if text == "any" {
			return Address{}, fmt.Errorf("any stands alone, not in a list: write address: any")
		}
		ip, err := parseAddr(text)
		switch {
		case err == nil:
			return Address{IP: ip}, nil
		case isName(text):
			return Address{Name: strings.TrimSuffix(text, ".")}, nil
		}
		return Address{}, err
	},
}

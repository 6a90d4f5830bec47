package world

import "net/netip"

// Site is one side of the network: what the gateway and the client there own.
type Site struct {
	Name             string
	Outer4, Outer6   netip.Addr // of the gateway
	Router4, Router6 netip.Addr // of the router, on the same link
	// Networks are behind the gateway, whose address is each one's first, the
	// client's its second. The last is IPv6.
	Networks []netip.Prefix
}

// SiteA and SiteB are the two sites of every World. The outer addresses are
// those that RFC 5737 and RFC 3849 set apart for documentation.
var (
	SiteA = Site{
		Name:     "a",
		Outer4:   netip.MustParseAddr("192.0.2.2"),
		Router4:  netip.MustParseAddr("192.0.2.1"),
		Outer6:   netip.MustParseAddr("2001:db8:a::2"),
		Router6:  netip.MustParseAddr("2001:db8:a::1"),
		Networks: prefixes("10.1.0.0/24", "10.11.0.0/24", "fd00:1::/64"),
	}
	SiteB = Site{
		Name:     "b",
		Outer4:   netip.MustParseAddr("198.51.100.2"),
		Router4:  netip.MustParseAddr("198.51.100.1"),
		Outer6:   netip.MustParseAddr("2001:db8:b::2"),
		Router6:  netip.MustParseAddr("2001:db8:b::1"),
		Networks: prefixes("10.2.0.0/24", "10.12.0.0/24", "fd00:2::/64"),
	}
)

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// GatewayIn is the gateway's address in a network of its site.
func GatewayIn(network netip.Prefix) netip.Addr { return network.Addr().Next() }

// ClientIn is the client's address in a network of its site.
func ClientIn(network netip.Prefix) netip.Addr { return network.Addr().Next().Next() }

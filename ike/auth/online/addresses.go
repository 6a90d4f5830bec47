package online

import (
	"fmt"
	"net/netip"
	"strings"
)

// A certificate, a name server and whoever answers over HTTP can name any address.
// Private ones are right: a company's own authority has its servers there. Wrong are
// those at which something of this host or of its cloud answers to whoever asks from
// here, such as instance metadata, with the host's credentials.

// ofClouds are such services outside of link-local addresses. Their addresses are
// fixed by the clouds, and nobody else can use them behind one.
var ofClouds = []netip.Prefix{
	netip.MustParsePrefix("168.63.129.16/32"),       // Azure: host agent and name server
	netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba Cloud: metadata
	netip.MustParsePrefix("192.0.0.0/24"),           // IETF protocol assignments; Oracle Classic: metadata at .192
	netip.MustParsePrefix("fd00:ec2::/32"),          // AWS: metadata, credentials, names, time
	netip.MustParsePrefix("fd20:ce::254/128"),       // Google Cloud: metadata
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle Cloud: metadata
	netip.MustParsePrefix("fd00:42::42/128"),        // Scaleway: metadata
	netip.MustParsePrefix("fd00:a9fe:a9fe::1/128"),  // Akamai: metadata
	netip.MustParsePrefix("fd00:100::100:200/128"),  // Alibaba Cloud: metadata
}

// allowed refuses addresses at which no server of an authority is, but services
// of this very host or its surroundings are. Who answers for a name is not
// authenticated; that an authority is on this host only its certificates can say.
func allowed(host, address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	for _, a := range []netip.Addr{at.Addr(), embedded(at.Addr())} {
		if isService(a) || a.IsLoopback() && !isHere(host) {
			return fmt.Errorf("%s is no address of an authority's server", at.Addr())
		}
	}
	return nil
}

func isService(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	a = a.Unmap().WithZone("")
	if a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240) {
		return true
	}
	for _, p := range ofClouds {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// What a translator on the way makes an IPv4 address of: NAT64 (RFC 6052 §2.1), 6to4
// (RFC 3056 §2), and addresses compatible to IPv4 (RFC 4291 §2.5.5.1).
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	compatible = netip.MustParsePrefix("::/96")
)

// embedded is the IPv4 address inside of an address, or the address itself.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	b := a.As16()
	switch {
	case nat64.Contains(a), compatible.Contains(a) && !a.IsLoopback() && !a.IsUnspecified():
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:]))
	}
	return a
}

// isHere tells whether a host is called by an address or name that always is this
// one's own.
func isHere(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.Unmap().IsLoopback()
}

package wire

import (
	"bytes"
	"fmt"
	"net/netip"
)

// Gateway is the identity of a gateway in REDIRECT and REDIRECTED_FROM (RFC 5685 §9.1): an address, or a name if Addr
// is invalid.
type Gateway struct {
	Addr netip.Addr
	Name string
}

// The types of a gateway's identity (RFC 5685 §9.1).
const (
	gatewayIPv4 = 1
	gatewayIPv6 = 2
	gatewayFQDN = 3
)

// maxGatewayName is the longest name of DNS.
const maxGatewayName = 253

// String is the address or the name.
func (g Gateway) String() string {
	if g.Addr.IsValid() {
		return g.Addr.String()
	}
	return g.Name
}

// AppendGateway appends the data of REDIRECTED_FROM, or of REDIRECT but for its nonce.
func AppendGateway(dst []byte, g Gateway) []byte {
	kind, id := byte(gatewayFQDN), []byte(g.Name)
	if g.Addr.IsValid() {
		kind, id = gatewayIPv6, g.Addr.Unmap().AsSlice()
		if len(id) == 4 {
			kind = gatewayIPv4
		}
	}
	return append(append(dst, kind, byte(len(id))), id...)
}

// ParseGateway reads it, and gives the nonce behind it.
func ParseGateway(b []byte) (g Gateway, nonce []byte, err error) {
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return g, nil, fmt.Errorf("wire: the gateway of a redirect is truncated")
	}
	id, nonce := b[2:2+int(b[1])], b[2+int(b[1]):]
	switch kind := b[0]; {
	case kind == gatewayIPv4 && len(id) == 4, kind == gatewayIPv6 && len(id) == 16:
		addr, _ := netip.AddrFromSlice(id)
		return Gateway{Addr: addr.Unmap()}, nonce, nil
	case kind == gatewayFQDN && len(id) > 0 && len(id) <= maxGatewayName && printable(id):
		return Gateway{Name: string(id)}, nonce, nil
	}
	return g, nil, fmt.Errorf("wire: the gateway of a redirect has type %d and %d octets", b[0], len(id))
}

// printable reports whether a name has nothing but what names of DNS have.
func printable(name []byte) bool {
	return !bytes.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
}

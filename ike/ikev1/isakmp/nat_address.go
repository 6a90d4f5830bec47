package isakmp

import "net/netip"

// NATAddress is the NAT-OA payload of transport mode (RFC 3947 §5.2): an
// address as the sender knows it. It is laid out as an Identification.
type NATAddress struct {
	Draft   bool
	Address netip.Addr
}

// Type returns PayloadNATOA, or the number of the drafts.
func (p *NATAddress) Type() PayloadType {
	if p.Draft {
		return PayloadNATOADraft
	}
	return PayloadNATOA
}

func parseNATAddress(r *reader, draft bool) (*NATAddress, error) {
	t := IDType(r.uint8("ID type"))
	r.reserved(3)
	p := &NATAddress{Draft: draft}
	a, ok := netip.AddrFromSlice(r.rest())
	if r.err == nil && (!ok || t != addressType(a)) {
		r.fail("no IPv4 or IPv6 address")
	}
	p.Address = a
	return p, r.finish()
}

func addressType(a netip.Addr) IDType {
	if a.Is4() {
		return IDIPv4Addr
	}
	return IDIPv6Addr
}

// AppendBody appends the payload without its generic header.
func (p *NATAddress) AppendBody(dst []byte) ([]byte, error) {
	if !p.Address.IsValid() {
		return nil, encodeError(p.Type(), "no address")
	}
	return append(append(dst, byte(addressType(p.Address)), 0, 0, 0), p.Address.AsSlice()...), nil
}

package isakmp

import "encoding/binary"

// The Identification payload, RFC 2407 §4.6.2.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   ID Type     |  Protocol ID  |             Port              |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                     Identification Data                       ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// Identification is who a peer is (phase 1) or what a Child SA is for (phase 2).
type Identification struct {
	IDType   IDType
	Protocol uint8
	Port     uint16
	Data     []byte
}

// Type returns PayloadID.
func (*Identification) Type() PayloadType { return PayloadID }

func parseIdentification(r *reader) (*Identification, error) {
	p := &Identification{IDType: IDType(r.uint8("ID type")), Protocol: r.uint8("protocol"), Port: r.uint16("port")}
	p.Data = r.rest()
	if n, fixed := p.IDType.length(); r.err == nil && fixed && len(p.Data) != n {
		r.fail("the length does not fit the ID type")
	}
	return p, r.finish()
}

// length is how long the data of a type must be, where that is fixed.
func (t IDType) length() (n int, fixed bool) {
	switch t {
	case IDIPv4Addr:
		return 4, true
	case IDIPv4AddrSubnet, IDIPv4AddrRange:
		return 8, true
	case IDIPv6Addr:
		return 16, true
	case IDIPv6AddrSubnet, IDIPv6AddrRange:
		return 32, true
	}
	return 0, false
}

// AppendBody appends the payload without its generic header.
func (p *Identification) AppendBody(dst []byte) ([]byte, error) {
	if n, fixed := p.IDType.length(); fixed && len(p.Data) != n {
		return nil, encodeError(PayloadID, "%v of %d octets", p.IDType, len(p.Data))
	}
	dst = append(dst, byte(p.IDType), p.Protocol)
	dst = binary.BigEndian.AppendUint16(dst, p.Port)
	return append(dst, p.Data...), nil
}

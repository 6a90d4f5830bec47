package wire

import (
	"encoding/binary"
	"net/netip"
)

// The Traffic Selector payloads TSi and TSr, RFC 7296 §3.13, and one traffic selector, §3.13.1.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Number of TSs |                 RESERVED                      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                       <Traffic Selectors>                     ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   TS Type     |IP Protocol ID |       Selector Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|           Start Port          |           End Port            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                         Starting Address                      ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                         Ending Address                        ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// MaxTrafficSelectors bounds the selectors of one payload: the count is one octet.
const MaxTrafficSelectors = 255

const (
	selectorHeaderLen = 4     // type, protocol, length
	selector4Len      = 8 + 8 // whole TS_IPV4_ADDR_RANGE
	selector6Len      = 8 + 32
)

// TrafficSelectors is the list of one side.
type TrafficSelectors struct {
	Initiator bool // TSi, otherwise TSr
	Selectors []TrafficSelector
}

// TrafficSelector is a range of addresses and ports. An inverted range is not an error here: 65535-0 of the ports
// means OPAQUE, and what the rest means is for the caller to decide.
type TrafficSelector struct {
	TSType             TSType
	Protocol           uint8 // IP protocol, 0: any
	StartPort, EndPort uint16
	Start, End         netip.Addr // inclusive; IPv4 for TSIPv4AddrRange, IPv6 for TSIPv6AddrRange
	Data               []byte     // of every other TSType: what follows the selector length
}

// Type returns PayloadTSi or PayloadTSr.
func (p *TrafficSelectors) Type() PayloadType {
	if p.Initiator {
		return PayloadTSi
	}
	return PayloadTSr
}

func parseTrafficSelectors(r *reader) (*TrafficSelectors, error) {
	p := &TrafficSelectors{Initiator: r.payload == PayloadTSi}
	count := int(r.uint8("number of traffic selectors"))
	r.take(3, "reserved field")
	if r.err == nil && count == 0 {
		r.fail("no traffic selector")
	}
	p.Selectors = make([]TrafficSelector, 0, min(count, len(r.b)/selectorHeaderLen))
	for range count {
		if r.err != nil {
			break
		}
		p.Selectors = append(p.Selectors, parseTrafficSelector(r))
	}
	if len(r.b) != 0 {
		r.fail("more bytes than the traffic selectors take")
	}
	return p, r.finish()
}

func parseTrafficSelector(r *reader) TrafficSelector {
	t := TrafficSelector{TSType: TSType(r.uint8("selector type")), Protocol: r.uint8("selector protocol")}
	length := int(r.uint16("selector length"))
	if r.err != nil {
		return t
	}
	want := length
	switch t.TSType {
	case TSIPv4AddrRange:
		want = selector4Len
	case TSIPv6AddrRange:
		want = selector6Len
	}
	if length != want || length < selectorHeaderLen {
		r.fail("selector length does not fit its type")
		return t
	}
	body := r.sub(length-selectorHeaderLen, "traffic selector")
	if r.err != nil {
		return t
	}
	if !t.TSType.IsAddrRange() {
		t.Data = body.rest()
		return t
	}
	t.StartPort = body.uint16("start port")
	t.EndPort = body.uint16("end port")
	half := len(body.b) / 2
	t.Start, _ = netip.AddrFromSlice(body.take(half, "starting address"))
	t.End, _ = netip.AddrFromSlice(body.rest())
	return t
}

// AppendBody appends the payload without its generic header.
func (p *TrafficSelectors) AppendBody(dst []byte) ([]byte, error) {
	if n := len(p.Selectors); n == 0 || n > MaxTrafficSelectors {
		return nil, encodeError(p.Type(), "%d traffic selectors are not 1 to %d", n, MaxTrafficSelectors)
	}
	dst = append(dst, byte(len(p.Selectors)), 0, 0, 0)
	for i := range p.Selectors {
		var err error
		if dst, err = p.Selectors[i].append(dst, p.Type()); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (t *TrafficSelector) append(dst []byte, owner PayloadType) ([]byte, error) {
	at := len(dst)
	dst = append(dst, byte(t.TSType), t.Protocol, 0, 0)
	switch {
	case !t.TSType.IsAddrRange():
		dst = append(dst, t.Data...)
	case !t.Start.IsValid() || !t.End.IsValid() || t.Start.Zone() != "" || t.End.Zone() != "",
		t.Start.Is4() != (t.TSType == TSIPv4AddrRange), t.End.Is4() != (t.TSType == TSIPv4AddrRange):
		return nil, encodeError(owner, "addresses %v-%v do not fit %v", t.Start, t.End, t.TSType)
	default:
		dst = binary.BigEndian.AppendUint16(dst, t.StartPort)
		dst = binary.BigEndian.AppendUint16(dst, t.EndPort)
		dst = append(dst, t.Start.AsSlice()...)
		dst = append(dst, t.End.AsSlice()...)
	}
	return dst, putLength(dst, at+2, len(dst)-at, owner)
}

package isakmp

import "encoding/binary"

// The Delete payload, RFC 2408 §3.15.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|              Domain of Interpretation  (DOI)                  |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Protocol-Id  |   SPI Size    |           # of SPIs           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                Security Parameter Index(es)                   ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// MaxDeleteSPIs bounds the SPIs of one Delete payload.
const MaxDeleteSPIs = 256

// Delete names SAs of the sender that are gone: for ISAKMP both cookies, for
// ESP the SPIs that the sender receives on. All SPIs have one length.
type Delete struct {
	DOI      uint32
	Protocol Protocol
	SPIs     [][]byte
}

// Type returns PayloadD.
func (*Delete) Type() PayloadType { return PayloadD }

func parseDelete(r *reader) (*Delete, error) {
	p := &Delete{DOI: r.uint32("DOI"), Protocol: Protocol(r.uint8("protocol"))}
	size, count := int(r.uint8("SPI size")), int(r.uint16("SPI count"))
	switch {
	case r.err != nil:
	case p.DOI > DOIIPsec:
		r.fail("the DOI is not IPsec")
	case size == 0 && count != 0:
		r.fail("SPIs without octets")
	case count > MaxDeleteSPIs:
		r.fail("more SPIs than allowed")
	}
	for range count {
		if r.err != nil {
			break
		}
		p.SPIs = append(p.SPIs, r.take(size, "SPI"))
	}
	if r.err == nil && len(r.b) != 0 {
		r.fail("bytes after the last SPI")
	}
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Delete) AppendBody(dst []byte) ([]byte, error) {
	if len(p.SPIs) > MaxDeleteSPIs {
		return nil, encodeError(PayloadD, "%d SPIs exceed %d", len(p.SPIs), MaxDeleteSPIs)
	}
	size := 0
	if len(p.SPIs) > 0 {
		size = len(p.SPIs[0])
	}
	dst = binary.BigEndian.AppendUint32(dst, p.DOI)
	dst = append(dst, byte(p.Protocol), byte(size))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.SPIs)))
	for _, spi := range p.SPIs {
		if len(spi) != size || size == 0 || size > 255 {
			return nil, encodeError(PayloadD, "SPI of %d octets among those of %d", len(spi), size)
		}
		dst = append(dst, spi...)
	}
	return dst, nil
}

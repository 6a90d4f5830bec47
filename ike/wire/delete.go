package wire

import "encoding/binary"

// The Delete payload, RFC 7296 §3.11.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Protocol ID   |   SPI Size    |          Num of SPIs          |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~               Security Parameter Index(es) (SPI)              ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// MaxDeleteSPIs bounds the SPIs of one Delete payload.
const MaxDeleteSPIs = 1024

// Delete names SAs that the sender no longer receives on. For ProtocolIKE there are no SPIs: it means the IKE SA of
// the message.
type Delete struct {
	Protocol ProtocolID
	SPIs     [][]byte // all of one length, 4 for AH and ESP; a count of empty SPIs of ProtocolIKE is read as none
}

// Type returns PayloadDelete.
func (*Delete) Type() PayloadType { return PayloadDelete }

func parseDelete(r *reader) (*Delete, error) {
	p := &Delete{Protocol: ProtocolID(r.uint8("protocol"))}
	size := int(r.uint8("SPI size"))
	count := int(r.uint16("number of SPIs"))
	switch {
	case r.err != nil:
	case count > MaxDeleteSPIs:
		r.fail("more SPIs than allowed")
	case size*count != len(r.b):
		r.fail("SPI size and count differ from the bytes that follow")
	case size == 0 && count > 0 && p.Protocol != ProtocolIKE:
		r.fail("SPIs of no bytes")
	case size > 0 && count > 0:
		p.SPIs = make([][]byte, count)
		for i := range p.SPIs {
			p.SPIs[i] = r.take(size, "SPI")
		}
	}
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Delete) AppendBody(dst []byte) ([]byte, error) {
	if len(p.SPIs) > MaxDeleteSPIs {
		return nil, encodeError(PayloadDelete, "%d SPIs exceed %d", len(p.SPIs), MaxDeleteSPIs)
	}
	size := 4
	if p.Protocol == ProtocolIKE {
		size = 0
	}
	if len(p.SPIs) > 0 {
		if size = len(p.SPIs[0]); size == 0 || size > 255 {
			return nil, encodeError(PayloadDelete, "SPI of %d bytes", size)
		}
	}
	dst = append(dst, byte(p.Protocol), byte(size))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.SPIs)))
	for _, spi := range p.SPIs {
		if len(spi) != size {
			return nil, encodeError(PayloadDelete, "SPIs of %d and %d bytes together", size, len(spi))
		}
		dst = append(dst, spi...)
	}
	return dst, nil
}

package isakmp

import "encoding/binary"

// The Notification payload, RFC 2408 §3.14.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|              Domain of Interpretation  (DOI)                  |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Protocol-ID  |   SPI Size    |      Notify Message Type      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                Security Parameter Index (SPI)                 ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                       Notification Data                       ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// Notification reports an error or a status, of the SA that Protocol and SPI
// name. The DOI is IPsec, or 0 for what is of ISAKMP itself.
type Notification struct {
	DOI        uint32
	Protocol   Protocol
	SPI        []byte
	NotifyType NotifyType
	Data       []byte
}

// Type returns PayloadN.
func (*Notification) Type() PayloadType { return PayloadN }

func parseNotification(r *reader) (*Notification, error) {
	p := &Notification{DOI: r.uint32("DOI"), Protocol: Protocol(r.uint8("protocol"))}
	size := int(r.uint8("SPI size"))
	p.NotifyType = NotifyType(r.uint16("notify type"))
	p.SPI = r.take(size, "SPI")
	p.Data = r.rest()
	if r.err == nil && p.DOI > DOIIPsec {
		r.fail("the DOI is not IPsec")
	}
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Notification) AppendBody(dst []byte) ([]byte, error) {
	if len(p.SPI) > 255 {
		return nil, encodeError(PayloadN, "SPI of %d bytes", len(p.SPI))
	}
	dst = binary.BigEndian.AppendUint32(dst, p.DOI)
	dst = append(dst, byte(p.Protocol), byte(len(p.SPI)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(p.NotifyType))
	dst = append(dst, p.SPI...)
	return append(dst, p.Data...), nil
}

// FindNotification returns the first Notification of type t in ps, or nil.
func FindNotification(ps []Payload, t NotifyType) *Notification {
	for _, n := range All[*Notification](ps) {
		if n.NotifyType == t {
			return n
		}
	}
	return nil
}

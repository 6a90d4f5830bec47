package wire

import "encoding/binary"

// The Notify payload, RFC 7296 §3.10.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Protocol ID  |   SPI Size    |      Notify Message Type      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                Security Parameter Index (SPI)                 ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                       Notification Data                       ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// Notify reports an error or a status, of the message or of the SA that Protocol and SPI name.
type Notify struct {
	Protocol   ProtocolID // 0 when SPI is empty
	SPI        []byte
	NotifyType NotifyType
	Data       []byte
}

// Type returns PayloadNotify.
func (*Notify) Type() PayloadType { return PayloadNotify }

func parseNotify(r *reader) (*Notify, error) {
	p := &Notify{Protocol: ProtocolID(r.uint8("protocol"))}
	size := int(r.uint8("SPI size"))
	p.NotifyType = NotifyType(r.uint16("notify type"))
	p.SPI = r.take(size, "SPI")
	p.Data = r.rest()
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Notify) AppendBody(dst []byte) ([]byte, error) {
	if len(p.SPI) > 255 {
		return nil, encodeError(PayloadNotify, "SPI of %d bytes", len(p.SPI))
	}
	dst = append(dst, byte(p.Protocol), byte(len(p.SPI)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(p.NotifyType))
	dst = append(dst, p.SPI...)
	return append(dst, p.Data...), nil
}

// FindNotify returns the first Notify payload of type t in ps, or nil.
func FindNotify(ps []Payload, t NotifyType) *Notify {
	for _, p := range ps {
		if n, ok := p.(*Notify); ok && n.NotifyType == t {
			return n
		}
	}
	return nil
}

package isakmp

import "encoding/binary"

// The Attributes payload of Mode Config, draft-dukes-ike-mode-cfg-02 §3.2,
// which XAUTH uses as well (draft-beaulieu-ike-xauth-02).
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	!     Type      !   RESERVED    !           Identifier          !
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                           Attributes                          ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// Configuration is one step of a Mode Config or XAUTH exchange.
type Configuration struct {
	ConfigType ConfigType
	Identifier uint16
	Attributes []Attribute
}

// Type returns PayloadATTR.
func (*Configuration) Type() PayloadType { return PayloadATTR }

func parseConfiguration(r *reader) (*Configuration, error) {
	p := &Configuration{ConfigType: ConfigType(r.uint8("type"))}
	r.reserved(1)
	p.Identifier = r.uint16("identifier")
	p.Attributes = parseAttributes(r)
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Configuration) AppendBody(dst []byte) ([]byte, error) {
	dst = append(dst, byte(p.ConfigType), 0)
	dst = binary.BigEndian.AppendUint16(dst, p.Identifier)
	return appendAttributes(dst, p.Attributes, PayloadATTR)
}

// Value returns the octets of the first attribute of type t, nil if there is none.
func (p *Configuration) Value(t uint16) []byte {
	a, _ := p.Attribute(t)
	return a.Value
}

// Attribute returns the first attribute of type t.
func (p *Configuration) Attribute(t uint16) (Attribute, bool) {
	for _, a := range p.Attributes {
		if a.Type == t {
			return a, true
		}
	}
	return Attribute{}, false
}

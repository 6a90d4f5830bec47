package wire

import "encoding/binary"

// The Configuration payload, RFC 7296 §3.15, and one attribute, §3.15.1.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   CFG Type    |                    RESERVED                   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                   Configuration Attributes                    ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|R|         Attribute Type      |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                             Value                             ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// MaxConfigAttributes bounds the attributes of one Configuration payload. Split tunnels send one for each subnet.
const MaxConfigAttributes = 256

// Configuration asks for, or hands out, the settings of an internal address.
type Configuration struct {
	ConfigType ConfigType
	Attributes []ConfigAttribute
}

// ConfigAttribute is one setting. An empty Value in a request asks for any.
type ConfigAttribute struct {
	Type  ConfigAttributeType // 15 bits
	Value []byte
}

// Type returns PayloadCP.
func (*Configuration) Type() PayloadType { return PayloadCP }

func parseConfiguration(r *reader) (*Configuration, error) {
	p := &Configuration{ConfigType: ConfigType(r.uint8("configuration type"))}
	r.take(3, "reserved field")
	for len(r.b) > 0 {
		if len(p.Attributes) == MaxConfigAttributes {
			r.fail("more configuration attributes than allowed")
			break
		}
		a := ConfigAttribute{Type: ConfigAttributeType(r.uint16("attribute type") & 0x7fff)}
		n := int(r.uint16("attribute length"))
		a.Value = r.take(n, "attribute value")
		p.Attributes = append(p.Attributes, a)
	}
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Configuration) AppendBody(dst []byte) ([]byte, error) {
	if len(p.Attributes) > MaxConfigAttributes {
		return nil, encodeError(PayloadCP, "%d attributes exceed %d", len(p.Attributes), MaxConfigAttributes)
	}
	dst = append(dst, byte(p.ConfigType), 0, 0, 0)
	for _, a := range p.Attributes {
		if a.Type > 0x7fff {
			return nil, encodeError(PayloadCP, "attribute type %d does not fit 15 bits", a.Type)
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(a.Type))
		dst = append(dst, 0, 0)
		if err := putLength(dst, len(dst)-2, len(a.Value), PayloadCP); err != nil {
			return nil, err
		}
		dst = append(dst, a.Value...)
	}
	return dst, nil
}

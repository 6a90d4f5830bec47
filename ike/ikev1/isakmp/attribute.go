package isakmp

import "encoding/binary"

// Data attributes, RFC 2408 §3.3: TV with two octets of value in the header,
// or TLV.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|A|       Attribute Type        |    AF=0  Attribute Length     |
//	|F|                             |    AF=1  Attribute Value      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                   AF=0  Attribute Value                       ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

const attributeBasic = 1 << 15

// MaxAttributes bounds the attributes of one transform or configuration. A
// peer that pushes its split networks has the most.
const MaxAttributes = 128

// Attribute is one data attribute. Basic ones are TV and hold two octets.
type Attribute struct {
	Type  uint16
	Basic bool
	Value []byte
}

// Short is a TV attribute.
func Short(t, value uint16) Attribute {
	return Attribute{Type: t, Basic: true, Value: binary.BigEndian.AppendUint16(nil, value)}
}

// Long is a TLV attribute of four octets, for what two cannot hold; lesser
// values become TV (RFC 2409 appendix A allows either for variable ones).
func Long(t uint16, value uint32) Attribute {
	if value <= 1<<16-1 {
		return Short(t, uint16(value))
	}
	return Attribute{Type: t, Value: binary.BigEndian.AppendUint32(nil, value)}
}

// Number is the value as an unsigned number; false if it is empty or needs
// more than 64 bits.
func (a Attribute) Number() (v uint64, ok bool) {
	value := a.Value
	for len(value) > 8 && value[0] == 0 {
		value = value[1:]
	}
	if len(value) == 0 || len(value) > 8 {
		return 0, false
	}
	for _, b := range value {
		v = v<<8 | uint64(b)
	}
	return v, true
}

func parseAttributes(r *reader) []Attribute {
	var out []Attribute
	for len(r.b) > 0 && r.err == nil {
		if len(out) == MaxAttributes {
			r.fail("more attributes than allowed")
			return nil
		}
		t := r.uint16("attribute")
		a := Attribute{Type: t &^ attributeBasic, Basic: t&attributeBasic != 0}
		if a.Basic {
			a.Value = r.take(2, "attribute value")
		} else {
			a.Value = r.take(int(r.uint16("attribute length")), "attribute value")
		}
		out = append(out, a)
	}
	return out
}

func appendAttributes(dst []byte, list []Attribute, in PayloadType) ([]byte, error) {
	if len(list) > MaxAttributes {
		return nil, encodeError(in, "%d attributes exceed %d", len(list), MaxAttributes)
	}
	for _, a := range list {
		switch {
		case a.Type >= attributeBasic:
			return nil, encodeError(in, "attribute type %d does not fit", a.Type)
		case a.Basic && len(a.Value) != 2:
			return nil, encodeError(in, "basic attribute %d of %d octets", a.Type, len(a.Value))
		case len(a.Value) > 1<<16-1:
			return nil, encodeError(in, "attribute %d of %d octets", a.Type, len(a.Value))
		}
		if a.Basic {
			dst = binary.BigEndian.AppendUint16(dst, a.Type|attributeBasic)
		} else {
			dst = binary.BigEndian.AppendUint16(dst, a.Type)
			dst = binary.BigEndian.AppendUint16(dst, uint16(len(a.Value)))
		}
		dst = append(dst, a.Value...)
	}
	return dst, nil
}

// ParseAttributes reads attributes that stand alone, as in the data of a
// RESPONDER-LIFETIME.
func ParseAttributes(b []byte) ([]Attribute, error) {
	r := reader{b: b}
	out := parseAttributes(&r)
	return out, r.finish()
}

// AppendAttributes appends attributes that stand alone.
func AppendAttributes(dst []byte, list []Attribute) ([]byte, error) {
	return appendAttributes(dst, list, PayloadNone)
}

package wire

import "encoding/binary"

// The Security Association payload, RFC 7296 §3.3: proposals (§3.3.1), their transforms (§3.3.2) and attributes
// (§3.3.5).
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Last Substruc |   RESERVED    |         Proposal Length       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                        SPI (variable)                         ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                        <Transforms>                           ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Last Substruc |   RESERVED    |        Transform Length       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|Transform Type |   RESERVED    |          Transform ID         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                      Transform Attributes                     ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|A|       Attribute Type        |    AF=0  Attribute Length     |
//	|F|                             |    AF=1  Attribute Value      |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                   AF=0  Attribute Value                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

const (
	// MaxProposals bounds the proposals of one SA payload.
	MaxProposals = 64
	// MaxTransforms bounds the transforms of one SA payload, over all its proposals. A peer that offers everything it
	// knows sends some sixty in each of two proposals.
	MaxTransforms = 512
	// MaxAttributes bounds the attributes of one transform. RFC 7296 defines one.
	MaxAttributes = 16
)

const (
	proposalHeaderLen  = 8
	transformHeaderLen = 8

	moreProposals  = 2
	moreTransforms = 3
)

// SecurityAssociation offers proposals, or carries the one that was chosen.
type SecurityAssociation struct {
	Proposals []Proposal
}

// Proposal is one set of transforms for one protocol. Several transforms of one type are alternatives.
type Proposal struct {
	Number     uint8
	Protocol   ProtocolID
	SPI        []byte // the sender's: 4 bytes for AH and ESP, 8 or none for IKE
	Transforms []Transform
}

// Transform is one algorithm. Its ID is named by ike/transform.
type Transform struct {
	Type       TransformType
	ID         uint16
	Attributes []Attribute
}

// Attribute qualifies a transform. A short one (TV) has its value in Value, a long one (TLV) in Data.
type Attribute struct {
	Type  AttributeType // 15 bits
	Long  bool
	Value uint16
	Data  []byte
}

// KeyLength returns the key length in bits that the Key Length attribute asks for (RFC 7296 §3.3.5).
func (t *Transform) KeyLength() (uint16, bool) {
	for _, a := range t.Attributes {
		if a.Type == AttributeKeyLength && !a.Long {
			return a.Value, true
		}
	}
	return 0, false
}

// Understood reports whether every attribute is one this package knows, once. A transform that is not understood must
// not be chosen (RFC 7296 §3.3.6).
func (t *Transform) Understood() bool {
	for i, a := range t.Attributes {
		if i > 0 || a.Type != AttributeKeyLength || a.Long {
			return false
		}
	}
	return true
}

// KeyLengthAttribute is the attribute that asks for a key of the given bits.
func KeyLengthAttribute(bits uint16) Attribute {
	return Attribute{Type: AttributeKeyLength, Value: bits}
}

// Type returns PayloadSA.
func (*SecurityAssociation) Type() PayloadType { return PayloadSA }

func parseSecurityAssociation(r *reader) (*SecurityAssociation, error) {
	p := &SecurityAssociation{}
	transforms := 0
	for more := true; more; {
		if len(p.Proposals) == MaxProposals {
			r.fail("more proposals than allowed")
		}
		body, again := substructure(r, moreProposals, "proposal")
		more = again
		proposal := parseProposal(&body)
		r.adopt(&body)
		if r.err != nil {
			break
		}
		if transforms += len(proposal.Transforms); transforms > MaxTransforms {
			r.fail("more transforms than allowed")
			break
		}
		p.Proposals = append(p.Proposals, proposal)
	}
	if len(r.b) != 0 {
		r.fail("bytes after the last proposal")
	}
	return p, r.finish()
}

// substructure reads the four octets that proposals and transforms share, and splits off what the length covers.
// More is the value of Last Substruc when another one of the same kind follows.
func substructure(r *reader, more uint8, what string) (body reader, again bool) {
	last := r.uint8(what)
	r.take(1, what)
	length := int(r.uint16(what))
	if r.err == nil && last != 0 && last != more {
		r.fail(what + " is followed by an unknown substructure")
	}
	if r.err == nil && length < 4 {
		r.fail(what + " length is less than its header")
	}
	return r.sub(max(length-4, 0), what), last == more && r.err == nil
}

func parseProposal(r *reader) Proposal {
	p := Proposal{Number: r.uint8("proposal"), Protocol: ProtocolID(r.uint8("proposal"))}
	size := int(r.uint8("proposal"))
	count := int(r.uint8("proposal"))
	p.SPI = r.take(size, "SPI")
	more := count > 0
	for range count {
		if r.err != nil {
			return p
		}
		if !more {
			r.fail("fewer transforms than counted")
			return p
		}
		body, again := substructure(r, moreTransforms, "transform")
		more = again
		t := parseTransform(&body)
		r.adopt(&body)
		p.Transforms = append(p.Transforms, t)
	}
	if more || len(r.b) != 0 {
		r.fail("more transforms than counted")
	}
	return p
}

func parseTransform(r *reader) Transform {
	t := Transform{Type: TransformType(r.uint8("transform"))}
	r.take(1, "transform")
	t.ID = r.uint16("transform")
	for len(r.b) > 0 {
		if len(t.Attributes) == MaxAttributes {
			r.fail("more attributes than allowed")
			break
		}
		t.Attributes = append(t.Attributes, parseAttribute(r))
	}
	return t
}

const attributeFormatBit = 1 << 15 // AF: set for TV

func parseAttribute(r *reader) Attribute {
	kind := r.uint16("attribute")
	value := r.uint16("attribute")
	a := Attribute{Type: AttributeType(kind &^ attributeFormatBit)}
	if kind&attributeFormatBit != 0 {
		a.Value = value
		return a
	}
	a.Long = true
	a.Data = r.take(int(value), "attribute value")
	return a
}

// AppendBody appends the payload without its generic header.
func (p *SecurityAssociation) AppendBody(dst []byte) ([]byte, error) {
	if n := len(p.Proposals); n == 0 || n > MaxProposals {
		return nil, encodeError(PayloadSA, "%d proposals are not 1 to %d", n, MaxProposals)
	}
	transforms := 0
	for i := range p.Proposals {
		if transforms += len(p.Proposals[i].Transforms); transforms > MaxTransforms {
			return nil, encodeError(PayloadSA, "more than %d transforms", MaxTransforms)
		}
		last := byte(moreProposals)
		if i == len(p.Proposals)-1 {
			last = 0
		}
		var err error
		if dst, err = p.Proposals[i].append(dst, last); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (p *Proposal) append(dst []byte, last byte) ([]byte, error) {
	if len(p.SPI) > 255 || len(p.Transforms) > 255 {
		return nil, encodeError(PayloadSA, "SPI of %d bytes, %d transforms in a proposal", len(p.SPI), len(p.Transforms))
	}
	at := len(dst)
	dst = append(dst, last, 0, 0, 0, p.Number, byte(p.Protocol), byte(len(p.SPI)), byte(len(p.Transforms)))
	dst = append(dst, p.SPI...)
	for i := range p.Transforms {
		last := byte(moreTransforms)
		if i == len(p.Transforms)-1 {
			last = 0
		}
		var err error
		if dst, err = p.Transforms[i].append(dst, last); err != nil {
			return nil, err
		}
	}
	return dst, putLength(dst, at+2, len(dst)-at, PayloadSA)
}

func (t *Transform) append(dst []byte, last byte) ([]byte, error) {
	if len(t.Attributes) > MaxAttributes {
		return nil, encodeError(PayloadSA, "%d attributes exceed %d", len(t.Attributes), MaxAttributes)
	}
	at := len(dst)
	dst = append(dst, last, 0, 0, 0, byte(t.Type), 0)
	dst = binary.BigEndian.AppendUint16(dst, t.ID)
	for i := range t.Attributes {
		var err error
		if dst, err = t.Attributes[i].append(dst); err != nil {
			return nil, err
		}
	}
	return dst, putLength(dst, at+2, len(dst)-at, PayloadSA)
}

func (a *Attribute) append(dst []byte) ([]byte, error) {
	switch {
	case a.Type >= attributeFormatBit:
		return nil, encodeError(PayloadSA, "attribute type %d does not fit 15 bits", a.Type)
	case !a.Long && len(a.Data) != 0:
		return nil, encodeError(PayloadSA, "short attribute %d with long data", a.Type)
	case a.Long && a.Value != 0:
		return nil, encodeError(PayloadSA, "long attribute %d with a short value", a.Type)
	case !a.Long:
		dst = binary.BigEndian.AppendUint16(dst, uint16(a.Type)|attributeFormatBit)
		return binary.BigEndian.AppendUint16(dst, a.Value), nil
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(a.Type))
	dst = append(dst, 0, 0)
	if err := putLength(dst, len(dst)-2, len(a.Data), PayloadSA); err != nil {
		return nil, err
	}
	return append(dst, a.Data...), nil
}

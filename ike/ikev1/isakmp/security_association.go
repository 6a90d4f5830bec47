package isakmp

import "encoding/binary"

// The Security Association, Proposal and Transform payloads, RFC 2408 §3.4 to
// §3.6, with DOI and situation of RFC 2407 §4.6.1.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|              Domain of Interpretation (1: IPsec)              |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|               Situation (1: SIT_IDENTITY_ONLY)                |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| 2: more, or 0 |   RESERVED    |        Proposal Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Proposal #   |  Protocol-Id  |    SPI Size   |# of Transforms|
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        SPI (variable)                         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| 3: more, or 0 |   RESERVED    |       Transform Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Transform #  |  Transform-Id |           RESERVED2           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                        SA Attributes                          ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

const (
	payloadProposal  = 2
	payloadTransform = 3
)

const (
	// DOIIPsec is the domain of interpretation of RFC 2407.
	DOIIPsec = 1
	// IdentityOnly is the only situation without labels (RFC 2407 §4.2.1).
	IdentityOnly = 1
	// MaxProposals and MaxTransforms bound one SA payload: it is what a
	// stranger sends first. All keyword combinations of a peer that offers
	// everything it has come to some hundred.
	MaxProposals  = 64
	MaxTransforms = 512
)

// SecurityAssociation is an offer, or the answer to one.
type SecurityAssociation struct {
	Proposals []Proposal
}

// Proposal is one protocol and its transforms, of which one is to be chosen.
// Proposals of the same number are to be taken together (RFC 2408 §4.2).
type Proposal struct {
	Number     uint8
	Protocol   Protocol
	SPI        []byte
	Transforms []Transform
}

// Transform is a whole suite.
type Transform struct {
	Number     uint8
	ID         uint8
	Attributes []Attribute
}

// Type returns PayloadSA.
func (*SecurityAssociation) Type() PayloadType { return PayloadSA }

func parseSecurityAssociation(r *reader) (*SecurityAssociation, error) {
	if doi := r.uint32("DOI"); r.err == nil && doi != DOIIPsec {
		r.fail("the DOI is not IPsec")
	}
	if s := r.uint32("situation"); r.err == nil && s != IdentityOnly {
		r.fail("the situation is not SIT_IDENTITY_ONLY")
	}
	p := &SecurityAssociation{}
	transforms := 0
	for more := true; more && r.err == nil; {
		var next Proposal
		next, more = parseProposal(r, &transforms)
		if len(p.Proposals) == MaxProposals {
			r.fail("more proposals than allowed")
		}
		p.Proposals = append(p.Proposals, next)
	}
	if r.err == nil && len(r.b) != 0 {
		r.fail("bytes after the last proposal")
	}
	return p, r.finish()
}

// substructure splits off the next proposal or transform; more tells whether
// another of the same type follows.
func substructure(r *reader, t uint8) (body reader, more bool) {
	next := r.uint8("substructure")
	r.reserved(1)
	length := int(r.uint16("substructure length"))
	switch {
	case r.err != nil:
	case next != 0 && next != t:
		r.fail("another payload inside the SA payload")
	case length < GenericHeaderLen:
		r.fail("substructure length is less than its header")
	}
	return r.sub(max(length-GenericHeaderLen, 0), "substructure"), next == t
}

func parseProposal(r *reader, transforms *int) (p Proposal, more bool) {
	body, more := substructure(r, payloadProposal)
	p.Number = body.uint8("proposal number")
	p.Protocol = Protocol(body.uint8("protocol"))
	spi := int(body.uint8("SPI size"))
	count := int(body.uint8("transform count"))
	p.SPI = body.take(spi, "SPI")
	for another := true; another && body.err == nil; {
		var t Transform
		t, another = parseTransform(&body)
		if *transforms++; *transforms > MaxTransforms {
			body.fail("more transforms than allowed")
		}
		p.Transforms = append(p.Transforms, t)
	}
	switch {
	case body.err != nil:
	case len(p.Transforms) != count:
		body.fail("the number of transforms is wrong")
	case len(body.b) != 0:
		body.fail("bytes after the last transform")
	}
	r.adopt(&body)
	return p, more
}

func parseTransform(r *reader) (t Transform, more bool) {
	body, more := substructure(r, payloadTransform)
	t.Number = body.uint8("transform number")
	t.ID = body.uint8("transform ID")
	body.reserved(2)
	t.Attributes = parseAttributes(&body)
	r.adopt(&body)
	return t, more
}

// AppendBody appends the payload without its generic header.
func (p *SecurityAssociation) AppendBody(dst []byte) ([]byte, error) {
	if len(p.Proposals) == 0 || len(p.Proposals) > MaxProposals {
		return nil, encodeError(PayloadSA, "%d proposals", len(p.Proposals))
	}
	dst = binary.BigEndian.AppendUint32(dst, DOIIPsec)
	dst = binary.BigEndian.AppendUint32(dst, IdentityOnly)
	for i, x := range p.Proposals {
		at := len(dst)
		dst = append(dst, more(payloadProposal, i, len(p.Proposals)), 0, 0, 0)
		var err error
		if dst, err = x.append(dst); err != nil {
			return nil, err
		}
		if err := putLength(dst, at+2, len(dst)-at, PayloadSA); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (p Proposal) append(dst []byte) ([]byte, error) {
	if len(p.SPI) > 255 || len(p.Transforms) == 0 || len(p.Transforms) > 255 {
		return nil, encodeError(PayloadSA, "SPI of %d octets, %d transforms", len(p.SPI), len(p.Transforms))
	}
	dst = append(dst, p.Number, byte(p.Protocol), byte(len(p.SPI)), byte(len(p.Transforms)))
	dst = append(dst, p.SPI...)
	for i, t := range p.Transforms {
		at := len(dst)
		dst = append(dst, more(payloadTransform, i, len(p.Transforms)), 0, 0, 0, t.Number, t.ID, 0, 0)
		var err error
		if dst, err = appendAttributes(dst, t.Attributes, PayloadSA); err != nil {
			return nil, err
		}
		if err := putLength(dst, at+2, len(dst)-at, PayloadSA); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// more is the first octet of the i-th of n substructures of type t.
func more(t byte, i, n int) byte {
	if i < n-1 {
		return t
	}
	return 0
}

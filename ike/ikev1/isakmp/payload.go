package isakmp

import "encoding/binary"

// The generic payload header, RFC 2408 §3.2.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// GenericHeaderLen is the length of the generic payload header.
const GenericHeaderLen = 4

// MaxPayloads bounds the payloads of one message. Devices send a dozen vendor
// IDs, and certificates with their chain.
const MaxPayloads = 64

// maxPadding bounds what may follow the last payload of a decrypted body. The
// RFC pads to the block size; some implementations add a random number of
// octets, up to the 255 that one octet can count.
const maxPadding = 255

// Payload is one payload of a message. The set is closed: the types of this
// package, used through pointers.
type Payload interface {
	// Type is the number that the generic header before this payload carries.
	Type() PayloadType
	// AppendBody appends the payload without its generic header.
	AppendBody(dst []byte) ([]byte, error)
	sealed()
}

func (*SecurityAssociation) sealed() {}
func (*KeyExchange) sealed()         {}
func (*Identification) sealed()      {}
func (*Certificate) sealed()         {}
func (*CertificateRequest) sealed()  {}
func (*Hash) sealed()                {}
func (*Signature) sealed()           {}
func (*Nonce) sealed()               {}
func (*Notification) sealed()        {}
func (*Delete) sealed()              {}
func (*VendorID) sealed()            {}
func (*Configuration) sealed()       {}
func (*NATDiscovery) sealed()        {}
func (*NATAddress) sealed()          {}
func (*Fragment) sealed()            {}
func (*Unknown) sealed()             {}

func parseBody(t PayloadType, r *reader) (Payload, error) {
	switch t {
	case PayloadSA:
		return parseSecurityAssociation(r)
	case PayloadKE:
		return parseKeyExchange(r)
	case PayloadID:
		return parseIdentification(r)
	case PayloadCERT:
		return parseCertificate(r)
	case PayloadCR:
		return parseCertificateRequest(r)
	case PayloadHASH:
		return &Hash{Data: r.rest()}, r.finish()
	case PayloadSIG:
		return &Signature{Data: r.rest()}, r.finish()
	case PayloadNONCE:
		return parseNonce(r)
	case PayloadN:
		return parseNotification(r)
	case PayloadD:
		return parseDelete(r)
	case PayloadVID:
		return &VendorID{Data: r.rest()}, r.finish()
	case PayloadATTR:
		return parseConfiguration(r)
	case PayloadNATD, PayloadNATDDraft:
		return &NATDiscovery{Draft: t == PayloadNATDDraft, Hash: r.rest()}, r.finish()
	case PayloadNATOA, PayloadNATOADraft:
		return parseNATAddress(r, t == PayloadNATOADraft)
	case PayloadFragment:
		return parseFragment(r)
	}
	return &Unknown{PayloadType: t, Data: r.rest()}, r.finish()
}

// parseChain reads the payloads in b, which starts at offset, and up to padding
// octets behind the last.
func parseChain(first PayloadType, b []byte, offset, padding int) ([]Payload, error) {
	r := reader{b: b, offset: offset}
	var out []Payload
	for next := first; next != PayloadNone; {
		r.payload = next
		after := PayloadType(r.uint8("generic header"))
		r.reserved(1)
		length := int(r.uint16("generic header"))
		if r.err == nil && length < GenericHeaderLen {
			r.fail("payload length is less than its generic header")
		}
		body := r.sub(max(length-GenericHeaderLen, 0), "payload")
		if r.err == nil && len(out) == MaxPayloads {
			r.fail("more payloads than allowed")
		}
		if err := r.finish(); err != nil {
			return nil, err
		}
		p, err := parseBody(next, &body)
		if err != nil {
			return nil, err
		}
		out, next = append(out, p), after
	}
	if len(r.b) > padding {
		r.payload = PayloadNone
		r.fail("bytes after the last payload")
	}
	return out, r.finish()
}

// ParsePayloads reads a decrypted body; first is the header's NextPayload.
// Padding behind the last payload is left out (RFC 2409 §5.3, appendix B).
func ParsePayloads(first PayloadType, b []byte) ([]Payload, error) {
	if len(b) > MaxMessageLen {
		return nil, &ParseError{Offset: MaxMessageLen, Why: "longer than a message can be"}
	}
	return parseChain(first, b, 0, maxPadding)
}

// Extent is how many octets of b, a body that ParsePayloads accepted, the
// payloads take: what is behind them is padding.
func Extent(first PayloadType, b []byte) int {
	n := 0
	for first != PayloadNone && len(b)-n >= GenericHeaderLen {
		first, n = PayloadType(b[n]), n+int(binary.BigEndian.Uint16(b[n+2:]))
	}
	return min(n, len(b))
}

// FirstType is the Next Payload value of the header before ps.
func FirstType(ps []Payload) PayloadType {
	if len(ps) == 0 {
		return PayloadNone
	}
	return ps[0].Type()
}

// AppendPayloads appends ps with their generic headers.
func AppendPayloads(dst []byte, ps []Payload) ([]byte, error) {
	if len(ps) > MaxPayloads {
		return nil, encodeError(PayloadNone, "%d payloads exceed %d", len(ps), MaxPayloads)
	}
	for i, p := range ps {
		at := len(dst)
		dst = append(dst, byte(FirstType(ps[i+1:])), 0, 0, 0)
		var err error
		if dst, err = p.AppendBody(dst); err != nil {
			return nil, err
		}
		if err := putLength(dst, at+2, len(dst)-at, p.Type()); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// Body is a payload without its generic header, as hashes cover it (RFC 2409
// §5: SAi_b, IDii_b). It is nil for one that cannot be laid out.
func Body(p Payload) []byte {
	b, err := p.AppendBody(nil)
	if err != nil {
		return nil
	}
	return b
}

// putLength writes n as the 16-bit length field at dst[at:].
func putLength(dst []byte, at, n int, t PayloadType) error {
	if n > 1<<16-1 {
		return encodeError(t, "%d bytes exceed a 16-bit length", n)
	}
	binary.BigEndian.PutUint16(dst[at:], uint16(n))
	return nil
}

// Find returns the first payload of type P in ps.
func Find[P Payload](ps []Payload) (p P, ok bool) {
	for _, x := range ps {
		if p, ok = x.(P); ok {
			return p, true
		}
	}
	return p, false
}

// All returns every payload of type P in ps, in order.
func All[P Payload](ps []Payload) []P {
	var out []P
	for _, x := range ps {
		if p, ok := x.(P); ok {
			out = append(out, p)
		}
	}
	return out
}

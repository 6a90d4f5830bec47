package wire

import "encoding/binary"

// The generic payload header, RFC 7296 §3.2.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Next Payload  |C|  RESERVED   |         Payload Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// The chain in this file is the only code that reads or writes it. A payload parses and appends its body, the bytes
// after this header.

// GenericHeaderLen is the length of the generic payload header.
const GenericHeaderLen = 4

const criticalBit = 0x80

const (
	// MaxPayloads bounds the payloads of one chain. An IKE_AUTH with certificates and the addresses of a multihomed
	// peer has a few dozen.
	MaxPayloads = 128
	// MaxNotifies bounds the Notify payloads of one chain. MOBIKE sends one for each address of the peer.
	MaxNotifies = 96
)

// Payload is one payload of a message. The set is closed: the types of this package, used through pointers.
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
func (*Authentication) sealed()      {}
func (*Nonce) sealed()               {}
func (*Notify) sealed()              {}
func (*Delete) sealed()              {}
func (*VendorID) sealed()            {}
func (*TrafficSelectors) sealed()    {}
func (*Encrypted) sealed()           {}
func (*EncryptedFragment) sealed()   {}
func (*Configuration) sealed()       {}
func (*EAP) sealed()                 {}
func (*Unknown) sealed()             {}

// parseBody reads the body of one cleartext payload. The critical bit of a payload type that is known is ignored
// (RFC 7296 §3.2).
func parseBody(t PayloadType, critical bool, r *reader) (Payload, error) {
	switch t {
	case PayloadSA:
		return parseSecurityAssociation(r)
	case PayloadKE:
		return parseKeyExchange(r)
	case PayloadIDi, PayloadIDr:
		return parseIdentification(r)
	case PayloadCERT:
		return parseCertificate(r)
	case PayloadCERTREQ:
		return parseCertificateRequest(r)
	case PayloadAUTH:
		return parseAuthentication(r)
	case PayloadNonce:
		return parseNonce(r)
	case PayloadNotify:
		return parseNotify(r)
	case PayloadDelete:
		return parseDelete(r)
	case PayloadVendorID:
		return parseVendorID(r)
	case PayloadTSi, PayloadTSr:
		return parseTrafficSelectors(r)
	case PayloadCP:
		return parseConfiguration(r)
	case PayloadEAP:
		return parseEAP(r)
	}
	return &Unknown{PayloadType: t, Critical: critical, Data: r.rest()}, nil
}

// chain is the walk over consecutive payloads.
type chain struct {
	next     PayloadType // type of the payload at the head of the reader
	r        reader
	payloads []Payload
	count    int // of payloads
	notifies int
}

// step reads one payload. Outside an SK payload (cleartext) an SK or SKF payload ends the chain, because its Next
// Payload field speaks of what is inside it (RFC 7296 §3.14, RFC 7383 §2.5).
func (c *chain) step(cleartext bool) error {
	after, critical, body, err := c.head()
	if err != nil {
		return err
	}
	p, err := c.body(cleartext, after, critical, &body)
	if err != nil {
		return err
	}
	c.payloads = append(c.payloads, p)
	return nil
}

// head reads the generic header of the payload c.next, and splits off its body.
func (c *chain) head() (after PayloadType, critical bool, body reader, err error) {
	c.r.payload = c.next
	after = PayloadType(c.r.uint8("generic header"))
	flags := c.r.uint8("generic header")
	length := int(c.r.uint16("generic header"))
	if c.r.err == nil && length < GenericHeaderLen {
		c.r.fail("payload length is less than its generic header")
	}
	body = c.r.sub(max(length-GenericHeaderLen, 0), "payload")
	if c.count++; c.r.err == nil && c.count > MaxPayloads {
		c.r.fail("more payloads than allowed")
	}
	return after, flags&criticalBit != 0, body, c.r.finish()
}

// body parses the payload c.next and moves c.next on.
func (c *chain) body(cleartext bool, after PayloadType, critical bool, body *reader) (Payload, error) {
	t := c.next
	c.next = after
	switch t {
	case PayloadSK, PayloadSKF:
		if !cleartext {
			body.fail("encrypted payload inside an encrypted payload")
			return nil, body.finish()
		}
		if len(c.r.b) != 0 {
			body.fail("encrypted payload is not the last payload")
			return nil, body.finish()
		}
		c.next = PayloadNone
		if t == PayloadSK {
			return parseEncrypted(after, body), nil
		}
		return parseEncryptedFragment(after, body)
	case PayloadNotify:
		c.notifies++
		if c.notifies > MaxNotifies {
			body.fail("more Notify payloads than allowed")
			return nil, body.finish()
		}
	}
	return parseBody(t, critical, body)
}

// parseChain reads the payloads in b, which starts at offset.
func parseChain(first PayloadType, b []byte, offset int, cleartext bool) ([]Payload, error) {
	c := chain{next: first, r: reader{b: b, offset: offset}}
	for c.next != PayloadNone {
		if err := c.step(cleartext); err != nil {
			return nil, err
		}
	}
	if len(c.r.b) != 0 {
		c.r.payload = PayloadNone
		c.r.fail("bytes after the last payload")
	}
	return c.payloads, c.r.finish()
}

// ParsePayloads reads the content of a decrypted SK payload, without padding; first is Encrypted.First. Nothing is
// left over, and no SK or SKF payload is accepted.
func ParsePayloads(first PayloadType, b []byte) ([]Payload, error) {
	if len(b) > MaxMessageLen {
		return nil, &ParseError{Offset: MaxMessageLen, Why: "longer than a message can be"}
	}
	return parseChain(first, b, 0, false)
}

// FirstType is the Next Payload value of the header before ps.
func FirstType(ps []Payload) PayloadType {
	if len(ps) == 0 {
		return PayloadNone
	}
	return ps[0].Type()
}

// AppendPayloads appends ps with their generic headers: the plaintext of an SK payload, whose Next Payload field is
// FirstType(ps). It fails on what ParsePayloads would refuse by count or length.
func AppendPayloads(dst []byte, ps []Payload) ([]byte, error) {
	for _, p := range ps {
		if t := p.Type(); t == PayloadSK || t == PayloadSKF {
			return nil, encodeError(t, "it cannot be inside an encrypted payload")
		}
	}
	return appendChain(dst, ps)
}

func appendChain(dst []byte, ps []Payload) ([]byte, error) {
	if len(ps) > MaxPayloads {
		return nil, encodeError(PayloadNone, "%d payloads exceed %d", len(ps), MaxPayloads)
	}
	notifies := 0
	for i, p := range ps {
		if p.Type() == PayloadNotify {
			if notifies++; notifies > MaxNotifies {
				return nil, encodeError(PayloadNotify, "more than %d in one message", MaxNotifies)
			}
		}
		next, flags, err := genericHeader(p, ps[i+1:])
		if err != nil {
			return nil, err
		}
		at := len(dst)
		dst = append(dst, byte(next), flags, 0, 0)
		if dst, err = p.AppendBody(dst); err != nil {
			return nil, err
		}
		if err := putLength(dst, at+2, len(dst)-at, p.Type()); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// genericHeader is the first two octets of the generic header of p, which rest follows.
func genericHeader(p Payload, rest []Payload) (next PayloadType, flags byte, err error) {
	next = FirstType(rest)
	switch p := p.(type) {
	case *Encrypted:
		next = p.First
	case *EncryptedFragment:
		next = p.First
	case *Unknown:
		if p.Critical {
			flags = criticalBit
		}
		return next, flags, nil
	default:
		return next, 0, nil
	}
	if len(rest) != 0 {
		return 0, 0, encodeError(p.Type(), "it is not the last payload")
	}
	return next, 0, nil
}

// putLength writes n as the 16-bit length field at dst[at:].
func putLength(dst []byte, at, n int, t PayloadType) error {
	if n > 1<<16-1 {
		return encodeError(t, "%d bytes exceed a 16-bit length", n)
	}
	binary.BigEndian.PutUint16(dst[at:], uint16(n))
	return nil
}

// UnknownCritical returns the first payload whose type is unknown and whose critical bit is set: the exchange is
// refused with UNSUPPORTED_CRITICAL_PAYLOAD and this type as data (RFC 7296 §2.5).
func UnknownCritical(ps []Payload) (PayloadType, bool) {
	for _, p := range ps {
		if u, ok := p.(*Unknown); ok && u.Critical {
			return u.PayloadType, true
		}
	}
	return PayloadNone, false
}

package isakmp

// Payloads whose body is one string of octets (RFC 2408 §3.7, §3.11 to §3.13,
// §3.16; RFC 3947 §3.2).

// Nonce lengths that RFC 2409 §5 allows.
const (
	minNonce = 8
	maxNonce = 256
)

// KeyExchange is a public Diffie-Hellman value, g^xi or g^xr.
type KeyExchange struct{ Data []byte }

// Hash is HASH_I, HASH_R or HASH(1..3).
type Hash struct{ Data []byte }

// Signature is SIG_I or SIG_R.
type Signature struct{ Data []byte }

// Nonce is Ni or Nr.
type Nonce struct{ Data []byte }

// VendorID tells what the sender is, or what it can do beside the RFCs.
type VendorID struct{ Data []byte }

// NATDiscovery is a hash of an address and port (RFC 3947 §3.2), in a payload
// of the number that the drafts before it used, if Draft.
type NATDiscovery struct {
	Draft bool
	Hash  []byte
}

// Unknown is a payload of a type that is not known here.
type Unknown struct {
	PayloadType PayloadType
	Data        []byte
}

func parseKeyExchange(r *reader) (*KeyExchange, error) {
	p := &KeyExchange{Data: r.rest()}
	if len(p.Data) == 0 {
		r.fail("no key exchange data")
	}
	return p, r.finish()
}

func parseNonce(r *reader) (*Nonce, error) {
	p := &Nonce{Data: r.rest()}
	if n := len(p.Data); n < minNonce || n > maxNonce {
		r.fail("a nonce has 8 to 256 octets")
	}
	return p, r.finish()
}

// Type returns PayloadKE.
func (*KeyExchange) Type() PayloadType { return PayloadKE }

// Type returns PayloadHASH.
func (*Hash) Type() PayloadType { return PayloadHASH }

// Type returns PayloadSIG.
func (*Signature) Type() PayloadType { return PayloadSIG }

// Type returns PayloadNONCE.
func (*Nonce) Type() PayloadType { return PayloadNONCE }

// Type returns PayloadVID.
func (*VendorID) Type() PayloadType { return PayloadVID }

// Type returns PayloadNATD, or the number of the drafts.
func (p *NATDiscovery) Type() PayloadType {
	if p.Draft {
		return PayloadNATDDraft
	}
	return PayloadNATD
}

// Type returns PayloadType.
func (p *Unknown) Type() PayloadType { return p.PayloadType }

// AppendBody appends the payload without its generic header.
func (p *KeyExchange) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }

// AppendBody appends the payload without its generic header.
func (p *Hash) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }

// AppendBody appends the payload without its generic header.
func (p *Signature) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }

// AppendBody appends the payload without its generic header.
func (p *Nonce) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }

// AppendBody appends the payload without its generic header.
func (p *VendorID) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }

// AppendBody appends the payload without its generic header.
func (p *NATDiscovery) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Hash...), nil }

// AppendBody appends the payload without its generic header.
func (p *Unknown) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Data...), nil }

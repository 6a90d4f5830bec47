package wire

// The Nonce payloads Ni and Nr, RFC 7296 §3.9: the body is the nonce.

// The nonce is 16 to 256 octets long (RFC 7296 §3.9).
const (
	MinNonceLen = 16
	MaxNonceLen = 256
)

// Nonce carries the random data of one side.
type Nonce struct {
	Data []byte
}

// Type returns PayloadNonce.
func (*Nonce) Type() PayloadType { return PayloadNonce }

func parseNonce(r *reader) (*Nonce, error) {
	if len(r.b) < MinNonceLen || len(r.b) > MaxNonceLen {
		r.fail("nonce is not 16 to 256 bytes long")
	}
	return &Nonce{Data: r.rest()}, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Nonce) AppendBody(dst []byte) ([]byte, error) {
	if len(p.Data) < MinNonceLen || len(p.Data) > MaxNonceLen {
		return nil, encodeError(PayloadNonce, "nonce of %d bytes is not %d to %d long", len(p.Data), MinNonceLen, MaxNonceLen)
	}
	return append(dst, p.Data...), nil
}

package wire

import "encoding/binary"

// The Key Exchange payload, RFC 7296 §3.4.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Diffie-Hellman Group Num    |           RESERVED            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                       Key Exchange Data                       ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// KeyExchange carries a public value or ciphertext of the key exchange method Group (transform type 4).
type KeyExchange struct {
	Group uint16
	Data  []byte
}

// Type returns PayloadKE.
func (*KeyExchange) Type() PayloadType { return PayloadKE }

func parseKeyExchange(r *reader) (*KeyExchange, error) {
	p := &KeyExchange{Group: r.uint16("group")}
	r.take(2, "reserved field")
	p.Data = r.rest()
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *KeyExchange) AppendBody(dst []byte) ([]byte, error) {
	dst = binary.BigEndian.AppendUint16(dst, p.Group)
	dst = append(dst, 0, 0)
	return append(dst, p.Data...), nil
}

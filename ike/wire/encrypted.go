package wire

// The Encrypted payload, SK{...}, RFC 7296 §3.14.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Next Payload  |C|  RESERVED   |         Payload Length        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                     Initialization Vector                     |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                    Encrypted IKE Payloads                     ~
//	+               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|               |             Padding (0-255 octets)            |
//	+-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
//	|                                               |  Pad Length   |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                    Integrity Checksum Data                    ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// Encrypted is an SK payload as it was received. It is always the last payload of its message.
type Encrypted struct {
	First  PayloadType // the first payload inside; PayloadNone: nothing inside
	Body   []byte      // IV up to and including ICV
	Offset int         // of Body in the message: integrity covers message[:Offset] and Body, as received
}

// Type returns PayloadSK.
func (*Encrypted) Type() PayloadType { return PayloadSK }

// AppendBody appends the sealed bytes.
func (p *Encrypted) AppendBody(dst []byte) ([]byte, error) { return append(dst, p.Body...), nil }

func parseEncrypted(first PayloadType, r *reader) *Encrypted {
	offset := r.offset // before rest moves it
	return &Encrypted{First: first, Body: r.rest(), Offset: offset}
}

// AppendEncrypted appends the header and the generic SK header of a message whose only payload is SK, with every
// length final. The bytes appended are what the ICV covers in addition to the sealed body. The caller then appends
// exactly sealedLen bytes: IV, ciphertext with padding, and ICV.
//
// First is FirstType of the payloads inside, sealedLen what the protector says about their length.
func AppendEncrypted(dst []byte, h Header, first PayloadType, sealedLen int) ([]byte, error) {
	dst, err := appendSealedHeader(dst, h, PayloadSK, sealedLen)
	if err != nil {
		return nil, err
	}
	return appendGenericHeader(dst, first, sealedLen), nil
}

// appendSealedHeader appends the header of a message with one payload of bodyLen bytes.
func appendSealedHeader(dst []byte, h Header, t PayloadType, bodyLen int) ([]byte, error) {
	if bodyLen < 0 || bodyLen > MaxMessageLen-HeaderLen-GenericHeaderLen {
		return nil, encodeError(t, "body of %d bytes does not fit in a message", bodyLen)
	}
	return h.append(dst, t, HeaderLen+GenericHeaderLen+bodyLen)
}

func appendGenericHeader(dst []byte, next PayloadType, bodyLen int) []byte {
	n := GenericHeaderLen + bodyLen
	return append(dst, byte(next), 0, byte(n>>8), byte(n))
}

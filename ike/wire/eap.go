package wire

// The EAP payload, RFC 7296 §3.16: one EAP packet, RFC 3748 §4.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Code      | Identifier    |           Length              |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      | Type_Data...
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-

const eapHeaderLen = 4

// EAP carries one EAP packet.
type EAP struct {
	Code       EAPCode
	Identifier uint8
	Data       []byte // Type and Type_Data of a request or response, empty for success and failure
}

// Type returns PayloadEAP.
func (*EAP) Type() PayloadType { return PayloadEAP }

func parseEAP(r *reader) (*EAP, error) {
	total := len(r.b)
	p := &EAP{Code: EAPCode(r.uint8("code")), Identifier: r.uint8("identifier")}
	if length := int(r.uint16("length")); r.err == nil && length != total {
		r.fail("EAP length differs from the payload's")
	}
	p.Data = r.rest()
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *EAP) AppendBody(dst []byte) ([]byte, error) {
	dst = append(dst, byte(p.Code), p.Identifier, 0, 0)
	if err := putLength(dst, len(dst)-2, eapHeaderLen+len(p.Data), PayloadEAP); err != nil {
		return nil, err
	}
	return append(dst, p.Data...), nil
}

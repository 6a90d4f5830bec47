package wire

// The Authentication payload, RFC 7296 §3.8.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Auth Method   |                RESERVED                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~                      Authentication Data                      ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// Authentication carries the proof of identity. For AuthDigitalSignature Data starts with an AlgorithmIdentifier
// (RFC 7427 §3).
type Authentication struct {
	Method AuthMethod
	Data   []byte
}

// Type returns PayloadAUTH.
func (*Authentication) Type() PayloadType { return PayloadAUTH }

func parseAuthentication(r *reader) (*Authentication, error) {
	p := &Authentication{Method: AuthMethod(r.uint8("method"))}
	r.take(3, "reserved field")
	p.Data = r.rest()
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Authentication) AppendBody(dst []byte) ([]byte, error) {
	return append(append(dst, byte(p.Method), 0, 0, 0), p.Data...), nil
}

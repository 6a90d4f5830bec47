package wire

// The Certificate payload, RFC 7296 §3.6.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Cert Encoding |                                               |
//	+-+-+-+-+-+-+-+-+                                               +
//	~                       Certificate Data                        ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// Certificate carries one certificate, CRL, OCSP response or raw key. The first one holds the key that signed AUTH.
type Certificate struct {
	Encoding CertEncoding
	Data     []byte
}

// Type returns PayloadCERT.
func (*Certificate) Type() PayloadType { return PayloadCERT }

func parseCertificate(r *reader) (*Certificate, error) {
	p := &Certificate{Encoding: CertEncoding(r.uint8("encoding"))}
	p.Data = r.rest()
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Certificate) AppendBody(dst []byte) ([]byte, error) {
	return append(append(dst, byte(p.Encoding)), p.Data...), nil
}

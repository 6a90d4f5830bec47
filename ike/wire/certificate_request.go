package wire

// The Certificate Request payload, RFC 7296 §3.7.
//
//	                     1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Cert Encoding |                                               |
//	+-+-+-+-+-+-+-+-+                                               +
//	~                    Certification Authority                    ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

// AuthorityHashLen is the length of one entry of a CertificateRequest: the SHA-1 hash of the authority's
// SubjectPublicKeyInfo.
const AuthorityHashLen = 20

// CertificateRequest asks for certificates of trusted authorities. For X.509 encodings Data is a list of
// AuthorityHashLen-byte hashes; for OCSP it is a list of responder hashes (RFC 4806 §3.1).
type CertificateRequest struct {
	Encoding CertEncoding
	Data     []byte
}

// Type returns PayloadCERTREQ.
func (*CertificateRequest) Type() PayloadType { return PayloadCERTREQ }

func parseCertificateRequest(r *reader) (*CertificateRequest, error) {
	p := &CertificateRequest{Encoding: CertEncoding(r.uint8("encoding"))}
	p.Data = r.rest()
	return p, r.finish()
}

// Authorities splits Data into hashes. It is false when Data is not a whole number of them.
func (p *CertificateRequest) Authorities() ([][AuthorityHashLen]byte, bool) {
	if len(p.Data)%AuthorityHashLen != 0 {
		return nil, false
	}
	hashes := make([][AuthorityHashLen]byte, 0, len(p.Data)/AuthorityHashLen)
	for b := p.Data; len(b) > 0; b = b[AuthorityHashLen:] {
		hashes = append(hashes, [AuthorityHashLen]byte(b))
	}
	return hashes, true
}

// AppendBody appends the payload without its generic header.
func (p *CertificateRequest) AppendBody(dst []byte) ([]byte, error) {
	return append(append(dst, byte(p.Encoding)), p.Data...), nil
}

package isakmp

// The Certificate and Certificate Request payloads, RFC 2408 §3.9, §3.10: one
// octet of encoding, then the certificate, or the name of an authority.

// Certificate is one certificate of the sender.
type Certificate struct {
	Encoding CertEncoding
	Data     []byte
}

// CertificateRequest asks for a certificate of an authority, or of any if it is
// empty.
type CertificateRequest struct {
	Encoding  CertEncoding
	Authority []byte
}

// Type returns PayloadCERT.
func (*Certificate) Type() PayloadType { return PayloadCERT }

// Type returns PayloadCR.
func (*CertificateRequest) Type() PayloadType { return PayloadCR }

func parseCertificate(r *reader) (*Certificate, error) {
	p := &Certificate{Encoding: CertEncoding(r.uint8("encoding")), Data: r.rest()}
	return p, r.finish()
}

func parseCertificateRequest(r *reader) (*CertificateRequest, error) {
	p := &CertificateRequest{Encoding: CertEncoding(r.uint8("encoding")), Authority: r.rest()}
	return p, r.finish()
}

// AppendBody appends the payload without its generic header.
func (p *Certificate) AppendBody(dst []byte) ([]byte, error) {
	return append(append(dst, byte(p.Encoding)), p.Data...), nil
}

// AppendBody appends the payload without its generic header.
func (p *CertificateRequest) AppendBody(dst []byte) ([]byte, error) {
	return append(append(dst, byte(p.Encoding)), p.Authority...), nil
}

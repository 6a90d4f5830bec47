package auth

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"causeway/ike/wire"
)

// maxShown bounds the CERT payloads of one message.
const maxShown = 16

// Shown is what a peer's CERT payloads hold, each certificate once.
type Shown struct {
	key          crypto.PublicKey    // of the first; nil: none is shown
	certificates []*x509.Certificate // the peer's own first (RFC 7296 §3.6)
	keys         []crypto.PublicKey
	lists        [][]byte // revocation lists, not yet read
	responses    [][]byte // OCSP responses (RFC 4806), not yet read
	ignored      []string // encodings that are of no use here
}

// ReadShown reads CERT payloads. Of certificates after the first, those that
// cannot be used are left out: the chain may do without.
func ReadShown(payloads []*wire.Certificate) (*Shown, *Problem) {
	if len(payloads) > maxShown {
		return nil, &Problem{Reason: ReasonCertificateInvalid, Message: fmt.Sprintf("the peer sent %d certificates; at most %d are accepted", len(payloads), maxShown),
			Local: fmt.Sprintf("accepts %d", maxShown), Remote: fmt.Sprintf("sends %d", len(payloads)),
			Hint: "let the peer send its own certificate and those of intermediate authorities only"}
	}
	s := &Shown{}
	for _, p := range payloads {
		switch p.Encoding {
		case wire.CertX509Signature:
			c, err := ParseCertificate(p.Data)
			if err != nil && len(s.certificates) == 0 {
				return nil, &Problem{Reason: ReasonCertificateInvalid, Message: "the peer's certificate cannot be used: " + strings.TrimPrefix(err.Error(), "auth: "),
					Remote: fmt.Sprintf("a certificate of %d octets, in %d payloads", len(p.Data), len(payloads)),
					Hint:   "give the peer a certificate with a key of RSA, ECDSA or Ed25519 as docs/configuration.md says"}
			}
			if err == nil && !slices.ContainsFunc(s.certificates, c.Equal) {
				s.first(c.PublicKey)
				s.certificates = append(s.certificates, c)
			}
		case wire.CertRawPublicKey:
			k, err := ParsePublicKey(p.Data)
			if err != nil {
				return nil, &Problem{Reason: ReasonCertificateInvalid, Message: "the peer's raw public key cannot be used: " + strings.TrimPrefix(err.Error(), "auth: "),
					Remote: fmt.Sprintf("a raw public key of %d octets", len(p.Data)),
					Hint:   "give the peer a key of RSA, ECDSA or Ed25519 as docs/configuration.md says"}
			}
			s.first(k)
			s.keys = append(s.keys, k)
		case wire.CertCRL:
			s.lists = append(s.lists, p.Data)
		case wire.CertOCSPContent:
			s.responses = append(s.responses, p.Data)
		default:
			s.ignored = append(s.ignored, p.Encoding.String())
		}
	}
	return s, nil
}

// first notes the key that signs: that of the first certificate or raw key (RFC 7296
// §3.6).
func (s *Shown) first(key crypto.PublicKey) {
	if s.key == nil {
		s.key = key
	}
}

// certificate is the peer's own, if it is of the key that signs, else nil.
func (s *Shown) certificate() *x509.Certificate {
	if len(s.certificates) == 0 || !samePublicKey(s.certificates[0].PublicKey, s.key) {
		return nil
	}
	return s.certificates[0]
}

// raw reports whether the key that signs is shown as a raw key.
func (s *Shown) raw() bool { return len(s.keys) > 0 && samePublicKey(s.keys[0], s.key) }

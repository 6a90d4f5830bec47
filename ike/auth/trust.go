package auth

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"causeway/ike/wire"
)

// Trust is what a peer's signature is held against: authorities for its
// certificate, or raw public keys. It is immutable.
type Trust struct {
	authorities []*x509.Certificate
	keys        []crypto.PublicKey
	schemes     []Scheme
	revocation  Revocation
	text        string            // as String has it
	see         func(what string) // Observed, or nil
}

const (
	// maxAuthorities bounds the authorities of a connection: a CERTREQ has a hash
	// of each.
	maxAuthorities = 64
	// maxKeys bounds the raw public keys: a peer that shows none is tried against
	// each.
	maxKeys = 8
)

// NewTrust puts authorities and raw public keys together, of which one at least
// must be there. schemes are those that the peer may sign with; none:
// DefaultSchemes.
func NewTrust(authorities []*x509.Certificate, keys []crypto.PublicKey, schemes []Scheme) (*Trust, error) {
	if len(schemes) == 0 {
		schemes = DefaultSchemes()
	}
	switch {
	case len(authorities)+len(keys) == 0:
		return nil, errors.New("auth: neither an authority nor a public key to trust")
	case len(authorities) > maxAuthorities:
		return nil, fmt.Errorf("auth: %d authorities; at most %d can be used", len(authorities), maxAuthorities)
	case len(keys) > maxKeys:
		return nil, fmt.Errorf("auth: %d public keys; at most %d can be used", len(keys), maxKeys)
	}
	for _, k := range keys {
		if _, err := kindOf(k); err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
	}
	t := &Trust{authorities: authorities, keys: keys, schemes: schemes}
	t.text = t.describe()
	return t, nil
}

// Authorities are those that a certificate may come from.
func (t *Trust) Authorities() []*x509.Certificate { return t.authorities }

// Fingerprint is a digest of all that decides whom this trusts, but for what servers
// answer. It stays the same when the same files are read again.
func (t *Trust) Fingerprint() []byte {
	h := sha256.New()
	for _, a := range t.authorities {
		part(h, a.Raw)
	}
	for _, k := range t.keys {
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			der = fmt.Append(nil, err) // NewTrust knew its kind
		}
		part(h, der)
	}
	for _, l := range t.revocation.Lists {
		part(h, l.Raw)
	}
	part(h, []byte(keywords(t.schemes)))
	part(h, []byte{byte(t.revocation.Policy)})
	return h.Sum(nil)
}

// part adds one part to a fingerprint, behind its length.
func part(h hash.Hash, b []byte) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
	h.Write(b)
}

// Hashes are the hash algorithms to announce (RFC 7427 §4).
func (t *Trust) Hashes() []HashAlgorithm { return Hashes(t.schemes) }

// maxRequested bounds the hashes of one CERTREQ: where a peer may be one of many
// connections, those of all are named.
const maxRequested = 64

// Requests are the CERTREQ payloads that name the authorities (RFC 7296 §3.7),
// each once, and ask for raw public keys (RFC 7670 §4), and for OCSP
// responses of any responder where one is needed (RFC 4806 §3.1).
func Requests(trusts ...*Trust) []*wire.CertificateRequest {
	var out []*wire.CertificateRequest
	seen := map[[wire.AuthorityHashLen]byte]bool{}
	names, raw, staple := &wire.CertificateRequest{Encoding: wire.CertX509Signature}, false, false
	for _, t := range trusts {
		for _, a := range t.authorities {
			if h := keyHash(a); !seen[h] && len(seen) < maxRequested {
				seen[h] = true
				names.Data = append(names.Data, h[:]...)
			}
		}
		raw = raw || len(t.keys) > 0
		staple = staple || t.revocation.Policy == RevocationStrict || t.Asks()
	}
	if len(names.Data) > 0 {
		out = append(out, names)
	}
	if raw {
		out = append(out, &wire.CertificateRequest{Encoding: wire.CertRawPublicKey})
	}
	if staple {
		out = append(out, &wire.CertificateRequest{Encoding: wire.CertOCSPContent})
	}
	return out
}

// String says what is trusted. It is put into words beforehand: a refusal that has
// them takes no longer where more is trusted.
func (t *Trust) String() string { return t.text }

func (t *Trust) describe() string {
	var parts []string
	for i, a := range t.authorities {
		if i == maxNames {
			parts = append(parts, fmt.Sprintf("%d more authorities", len(t.authorities)-i))
			break
		}
		parts = append(parts, "authority "+subjectOf(a))
	}
	for _, k := range t.keys {
		parts = append(parts, "a raw "+describeKey(k)+" public key")
	}
	return "trusts " + strings.Join(parts, ", ")
}

// Equal tells whether two are the same.
func (t *Trust) Equal(o *Trust) bool {
	if t == nil || o == nil {
		return t == o
	}
	return sameCertificates(t.authorities, o.authorities) && slices.EqualFunc(t.keys, o.keys, samePublicKey) && slices.Equal(t.schemes, o.schemes) &&
		t.revocation.equal(o.revocation)
}

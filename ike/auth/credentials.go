package auth

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"causeway/ike/wire"
)

// Credentials are what this side signs with: a certificate and those that lead
// to its authority, or a raw public key. They are immutable.
type Credentials struct {
	key     crypto.Signer
	chain   []*x509.Certificate // our own first; empty: a raw public key
	public  []byte              // SubjectPublicKeyInfo
	schemes []Scheme
	fetcher Fetcher           // asks about our own certificate; nil: nobody does
	issuer  *x509.Certificate // of our own, if there is a fetcher
}

// NewCredentials puts a private key, wherever it is kept, and its certificates
// together; our own is the first, and without any the raw public key is shown.
// schemes are those to sign with, in order; none: DefaultSchemes.
func NewCredentials(key crypto.Signer, chain []*x509.Certificate, schemes []Scheme) (*Credentials, error) {
	if len(schemes) == 0 {
		schemes = DefaultSchemes()
	}
	if _, err := kindOf(key.Public()); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	switch {
	case len(suits(key.Public(), schemes)) == 0:
		return nil, fmt.Errorf("auth: none of %s can be made with the %s key", keywords(schemes), describeKey(key.Public()))
	case len(chain) > maxChain:
		return nil, fmt.Errorf("auth: a chain of %d certificates; at most %d are sent", len(chain), maxChain)
	case len(chain) > 0 && !samePublicKey(key.Public(), chain[0].PublicKey):
		return nil, fmt.Errorf("auth: the private key is not that of the first certificate, %s (%s)", subjectOf(chain[0]), describeKey(chain[0].PublicKey))
	}
	return &Credentials{key: key, chain: chain, public: public, schemes: schemes}, nil
}

// Choose finds how to sign for a peer that announced these hash algorithms; nil:
// it announced none.
func (c *Credentials) Choose(peer []HashAlgorithm) (Choice, *Problem) {
	return choose(c.key.Public(), c.schemes, peer)
}

// Sign makes AUTH data over octets; see Choice.Sign.
func (c *Credentials) Sign(choice Choice, random io.Reader, octets []byte) ([]byte, error) {
	return choice.Sign(random, c.key, octets)
}

// SignHash is the SIG payload of IKEv1; see SignHash.
func (c *Credentials) SignHash(random io.Reader, hash []byte) ([]byte, error) {
	return SignHash(random, c.key, hash)
}

// Public is the public key.
func (c *Credentials) Public() crypto.PublicKey { return c.key.Public() }

// Chain are the certificates, our own first; none: the raw public key is shown.
func (c *Credentials) Chain() []*x509.Certificate { return c.chain }

// Payloads are the CERT payloads that show the public key. An authority at the
// end of the chain that signs itself is left out: the peer trusts it or not.
func (c *Credentials) Payloads() []wire.Payload {
	if len(c.chain) == 0 {
		return []wire.Payload{&wire.Certificate{Encoding: wire.CertRawPublicKey, Data: c.public}}
	}
	var out []wire.Payload
	for i, cert := range c.chain {
		if i > 0 && signsItself(cert) {
			continue
		}
		out = append(out, &wire.Certificate{Encoding: wire.CertX509Signature, Data: cert.Raw})
	}
	return out
}

// signsItself tells a root from an authority that issues a new key of its own.
func signsItself(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && (len(c.AuthorityKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, c.SubjectKeyId))
}

// StandsFor tells whether the credentials can prove an identity: a raw public
// key can prove any.
func (c *Credentials) StandsFor(id Identity) bool {
	return len(c.chain) == 0 || standsFor(c.chain[0], id)
}

// Identity is the identity to show where none is configured: the outer address,
// if the certificate stands for it, else the first that it stands for.
func (c *Credentials) Identity(outer netip.Addr) Identity {
	id := FromAddr(outer)
	if c.StandsFor(id) {
		return id
	}
	if all := identitiesOf(c.chain[0]); len(all) > 0 {
		return all[0]
	}
	return id
}

// String says what they are, without anything secret.
func (c *Credentials) String() string {
	if len(c.chain) == 0 {
		return "raw " + describeKey(c.key.Public()) + " public key"
	}
	return DescribeCertificate(c.chain[0])
}

// Equal tells whether two sides sign with the same; private keys are compared by
// their public ones.
func (c *Credentials) Equal(o *Credentials) bool {
	if c == nil || o == nil {
		return c == o
	}
	return bytes.Equal(c.public, o.public) && slices.Equal(c.schemes, o.schemes) && sameCertificates(c.chain, o.chain) &&
		c.Staples() == o.Staples()
}

func sameCertificates(a, b []*x509.Certificate) bool {
	return slices.EqualFunc(a, b, func(x, y *x509.Certificate) bool { return x.Equal(y) })
}

// Doubt says what is wrong with the credentials at a time, which a peer would
// refuse them for; nil is nothing. soon is how long before the end to warn.
func (c *Credentials) Doubt(now time.Time, soon time.Duration) error {
	for i, cert := range c.chain {
		if err := Doubt(cert, now, soon); err != nil {
			return err
		}
		if i > 0 && !bytes.Equal(c.chain[i-1].RawIssuer, cert.RawSubject) {
			return fmt.Errorf("the certificate of %s does not follow that of %s, which %s issued: put the chain in order, from our own up",
				subjectOf(cert), subjectOf(c.chain[i-1]), issuerOf(c.chain[i-1]))
		}
	}
	if len(c.chain) > 0 {
		if err := mayAuthenticate(c.chain[0], true); err != nil {
			return errors.New("the certificate of " + subjectOf(c.chain[0]) + ": " + err.Error())
		}
	}
	return nil
}

// Doubt says whether a certificate is out of date, or will be soon; nil is no.
func Doubt(c *x509.Certificate, now time.Time, soon time.Duration) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate of %s expired at %s", subjectOf(c), day(c.NotAfter))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate of %s is valid from %s on only", subjectOf(c), day(c.NotBefore))
	case now.Add(soon).After(c.NotAfter):
		return fmt.Errorf("the certificate of %s expires at %s", subjectOf(c), day(c.NotAfter))
	}
	return nil
}

// Fingerprint is a digest of what is shown and how it is signed. It stays the same
// when the same files are read again.
func (c *Credentials) Fingerprint() []byte {
	h := sha256.New()
	part(h, c.public)
	for _, cert := range c.chain {
		part(h, cert.Raw)
	}
	part(h, []byte(keywords(c.schemes)))
	return h.Sum(nil)
}

package auth

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"causeway/ike/wire"
)

// Trust is what a peer's signature is held against: authorities for its
// certificate, or raw public keys. It is immutable.
type Trust struct {
	authorities []*x509.Certificate
	keys        []crypto.PublicKey
	schemes     []Scheme
	revocation  Revocation
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
	return &Trust{authorities: authorities, keys: keys, schemes: schemes}, nil
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

// String says what is trusted.
func (t *Trust) String() string {
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

// maxShown bounds the CERT payloads of one message.
const maxShown = 16

// Shown is what a peer's CERT payloads hold.
type Shown struct {
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
			if err == nil {
				s.certificates = append(s.certificates, c)
			}
		case wire.CertRawPublicKey:
			k, err := ParsePublicKey(p.Data)
			if err != nil {
				return nil, &Problem{Reason: ReasonCertificateInvalid, Message: "the peer's raw public key cannot be used: " + strings.TrimPrefix(err.Error(), "auth: "),
					Remote: fmt.Sprintf("a raw public key of %d octets", len(p.Data)),
					Hint:   "give the peer a key of RSA, ECDSA or Ed25519 as docs/configuration.md says"}
			}
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

// Signer is a peer's public key, and the chain that vouches for it: the peer's
// certificate first, the authority last; none for a raw public key.
type Signer struct {
	Key    crypto.PublicKey
	Chain  []*x509.Certificate
	chains [][]*x509.Certificate // all that vouch, Chain first
	shown  *Shown                // what the peer says of revocation besides
}

// signer finds the key that a peer signs with among what it showed: one that an
// authority vouches for at now, or one of the raw public keys. A peer that shows
// nothing is taken for the owner of a raw public key that the signature is of. That
// nothing of it was revoked is for CheckRevocation to say, once the peer proved
// that the key is its own.
func (t *Trust) signer(now time.Time, shown *Shown, check func(crypto.PublicKey) *Problem) (*Signer, *Problem) {
	switch {
	case len(shown.certificates) > 0 && len(t.authorities) > 0:
		return t.chain(now, shown)
	case len(shown.keys) > 0 && len(t.keys) > 0:
		// RFC 7296 §3.6: the first one is that which signed.
		if slices.ContainsFunc(t.keys, func(k crypto.PublicKey) bool { return samePublicKey(k, shown.keys[0]) }) {
			return &Signer{Key: shown.keys[0]}, nil
		}
		return nil, &Problem{Reason: ReasonCertificateUntrusted, Message: "the peer shows a raw public key that is not the one configured",
			Local: t.String(), Remote: "shows a raw " + describeKey(shown.keys[0]) + " public key", Hint: "compare auth.public_key.peer with the public key at the peer"}
	case len(shown.certificates) > 0:
		// The certificate may hold the configured key: then the key counts.
		if k := shown.certificates[0].PublicKey; slices.ContainsFunc(t.keys, func(o crypto.PublicKey) bool { return samePublicKey(o, k) }) {
			return &Signer{Key: k}, nil
		}
	case len(shown.keys) == 0 && len(t.keys) > 0:
		return t.guess(check), nil
	}
	return nil, t.missing(shown)
}

// guess is the configured key that the signature holds with, or the first.
func (t *Trust) guess(check func(crypto.PublicKey) *Problem) *Signer {
	for _, k := range t.keys {
		if check(k) == nil {
			return &Signer{Key: k}
		}
	}
	return &Signer{Key: t.keys[0]}
}

// missing explains that the peer showed nothing that could be trusted.
func (t *Trust) missing(shown *Shown) *Problem {
	p := &Problem{Reason: ReasonCertificateMissing, Message: "the peer signs and sends no certificate", Local: t.String(),
		Remote: "sends none", Hint: "let the peer send its certificate (strongSwan: send_cert = always)"}
	switch {
	case len(shown.keys) > 0:
		p.Message, p.Remote = "the peer shows a raw public key, a certificate is needed", "a raw "+describeKey(shown.keys[0])+" public key"
		p.Hint = "give the peer a certificate, or its key to auth.public_key.peer"
	case len(shown.certificates) > 0:
		p.Reason, p.Message, p.Remote = ReasonCertificateUntrusted, "the peer shows a certificate with a key that is not the one configured", DescribeCertificate(shown.certificates[0])
		p.Hint = "compare auth.public_key.peer with the public key at the peer, or name its authority in ca"
	case len(shown.ignored) > 0:
		p.Remote = "sends " + strings.Join(slices.Compact(shown.ignored), ", ") + ", which is not supported"
		p.Hint = "let the peer send X.509 certificates themselves"
	}
	return p
}

// chain builds and checks the path from the peer's certificate to an authority.
func (t *Trust) chain(now time.Time, shown *Shown) (*Signer, *Problem) {
	own, others := shown.certificates[0], shown.certificates[1:]
	chains, err := own.Verify(x509.VerifyOptions{Roots: pool(t.authorities), Intermediates: pool(t.vouched(others)), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return nil, t.untrusted(now, own, others, err)
	}
	var first error
	var valid [][]*x509.Certificate
	for _, chain := range chains {
		err := checkChain(chain)
		if err == nil {
			valid = append(valid, chain)
		}
		first = cmp.Or(first, err)
	}
	if len(valid) > 0 {
		return &Signer{Key: own.PublicKey, Chain: valid[0], chains: valid, shown: shown}, nil
	}
	return nil, &Problem{Reason: ReasonCertificateInvalid, Message: "the peer's certificate must not be used so: " + first.Error(),
		Local: t.String(), Remote: DescribeCertificate(own), Hint: "give the peer a certificate made for IPsec, of an authority that may issue it"}
}

// vouched are those of the certificates that lead to an authority, found from the
// authorities down: each is checked with keys that are trusted, and once for each issuer
// of its name. From the peer's certificate up, a stranger could make fifteen certificates
// of one name cost a hundred checks, with keys of his choice.
func (t *Trust) vouched(shown []*x509.Certificate) []*x509.Certificate {
	left := slices.Clone(shown)
	issuers := slices.Clone(t.authorities)
	for i := 0; i < len(issuers); i++ {
		issuer := issuers[i]
		left = slices.DeleteFunc(left, func(c *x509.Certificate) bool {
			if slices.ContainsFunc(issuers, c.Equal) {
				return true
			}
			if !bytes.Equal(c.RawIssuer, issuer.RawSubject) || issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
				return false
			}
			issuers = append(issuers, c)
			return true
		})
	}
	return issuers[len(t.authorities):]
}

func pool(list []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range list {
		p.AddCert(c)
	}
	return p
}

// checkChain holds a chain against what the standard library leaves open.
func checkChain(chain []*x509.Certificate) error {
	if len(chain) > maxChain {
		return fmt.Errorf("a chain of %d certificates; at most %d are accepted", len(chain), maxChain)
	}
	for i, c := range chain[:max(1, len(chain)-1)] {
		if err := mayAuthenticate(c, i == 0); err != nil {
			return fmt.Errorf("%s: %w", subjectOf(c), err)
		}
	}
	return checkConstraints(chain)
}

// untrusted explains why no path leads from the peer's certificate to an
// authority.
func (t *Trust) untrusted(now time.Time, own *x509.Certificate, others []*x509.Certificate, err error) *Problem {
	p := &Problem{Reason: ReasonCertificateUntrusted, Local: t.String(), Remote: DescribeCertificate(own)}
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var critical x509.UnhandledCriticalExtension
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		t.outOfDate(p, now, invalid.Cert)
	case errors.As(err, &invalid):
		p.Reason = ReasonCertificateInvalid
		p.Message = "the peer's certificate is not valid: " + clip(strings.TrimPrefix(invalid.Error(), "x509: "))
		p.Hint = "see what the authority may issue (name constraints, path length, key usage)"
	case errors.As(err, &critical):
		p.Reason = ReasonCertificateInvalid
		p.Message = "the peer's certificate, or one above it, has a critical extension that is not supported"
		p.Hint = "give the peer a certificate without it"
	case errors.As(err, &unknown):
		p.Message = "no authority that we trust vouches for the peer's certificate"
		p.Hint = t.untrustedHint(own, others)
		if _, why, ok := strings.Cut(err.Error(), "(possibly because of "); ok {
			p.Message += ": " + clip(strings.TrimSuffix(why, ")"))
			p.Hint = "see whether the authority may issue certificates and which key signed this one"
		}
	default:
		p.Message = "the peer's certificate cannot be verified: " + clip(strings.TrimPrefix(err.Error(), "x509: "))
	}
	return p
}

func (t *Trust) outOfDate(p *Problem, now time.Time, c *x509.Certificate) {
	whose := "the certificate of " + subjectOf(c)
	p.Local = "the time here is " + day(now)
	if now.Before(c.NotBefore) {
		p.Reason = ReasonCertificateNotYetValid
		p.Message = whose + " is valid from " + day(c.NotBefore) + " on only"
		p.Hint = "compare the clocks of both ends and of the authority"
		return
	}
	p.Reason = ReasonCertificateExpired
	p.Message = whose + " expired at " + day(c.NotAfter)
	p.Hint = "renew it; if it is not so late, set the clock of this host"
}

// untrustedHint tells a missing intermediate from a strange authority.
func (t *Trust) untrustedHint(own *x509.Certificate, others []*x509.Certificate) string {
	top := own
	for range others {
		for _, c := range others {
			if bytes.Equal(c.RawSubject, top.RawIssuer) {
				top = c
			}
		}
	}
	for _, a := range t.authorities {
		if bytes.Equal(a.RawSubject, top.RawIssuer) {
			return "an authority of that name is trusted, but its key is another one: it was renewed, or two have one name"
		}
	}
	return fmt.Sprintf("add the authority %s to ca, or let the peer send the intermediate certificates that lead to one which is there", issuerOf(top))
}

// Verify is the whole of it: it finds the peer's key, checks its signature of
// octets, and that the key stands for the identity. What is expected of the
// identity itself is the caller's to check.
func (t *Trust) Verify(now time.Time, payloads []*wire.Certificate, id Identity, proof *wire.Authentication, octets []byte) (*Signer, *Problem) {
	signer, problem := t.Authenticate(now, payloads, id, proof, octets)
	if problem != nil {
		return nil, problem
	}
	return signer, t.CheckRevocation(now, signer)
}

// Authenticate is Verify but for revocation, so that it waits for nobody. Whoever has not
// even the key of the certificate that he shows has no chain built for him.
func (t *Trust) Authenticate(now time.Time, payloads []*wire.Certificate, id Identity, proof *wire.Authentication, octets []byte) (*Signer, *Problem) {
	signer, _, problem := t.authenticate(now, payloads, id, func(key crypto.PublicKey) *Problem {
		_, problem := VerifySignature(key, t.schemes, proof, octets)
		return problem
	})
	return signer, problem
}

// AuthenticateHash is Authenticate with the SIG payload of IKEv1. held says that the
// signature was made with the key that the peer shows, whatever else is wrong.
func (t *Trust) AuthenticateHash(now time.Time, payloads []*wire.Certificate, id Identity, hash, sig []byte) (signer *Signer, held bool, problem *Problem) {
	return t.authenticate(now, payloads, id, func(key crypto.PublicKey) *Problem {
		if VerifyHash(key, hash, sig) == nil {
			return nil
		}
		return &Problem{
			Reason:  ReasonAuthenticationFailed,
			Message: "the peer's signature does not hold",
			Local:   "checked with its " + describeKey(key) + " key",
			Remote:  fmt.Sprintf("a signature of %d octets", len(sig)),
			Hint:    "the private key at the peer belongs to another certificate, or something on the path changes messages",
		}
	})
}

// authenticate is both; check says whether the signature was made with a key.
func (t *Trust) authenticate(now time.Time, payloads []*wire.Certificate, id Identity, check func(crypto.PublicKey) *Problem) (*Signer, bool, *Problem) {
	shown, problem := ReadShown(payloads)
	if problem != nil {
		return nil, false, problem
	}
	held := false
	if len(shown.certificates) > 0 && len(t.authorities) > 0 {
		if problem := check(shown.certificates[0].PublicKey); problem != nil {
			return nil, false, problem
		}
		held = true
	}
	signer, problem := t.signer(now, shown, check)
	if problem != nil {
		return nil, held, problem
	}
	if !held {
		if problem := check(signer.Key); problem != nil {
			return nil, false, problem
		}
	}
	if problem := signer.Identify(id); problem != nil {
		return nil, true, problem
	}
	return signer, true, nil
}

// Identify checks that the peer's certificate stands for the identity that it
// shows (RFC 4945 §3.1). A raw public key stands for any: whoever configured it
// says whose it is.
func (s *Signer) Identify(id Identity) *Problem {
	if len(s.Chain) == 0 || standsFor(s.Chain[0], id) {
		return nil
	}
	p := &Problem{
		Reason:  ReasonCertificateIdentity,
		Message: fmt.Sprintf("the peer shows identity %s, for which its certificate does not stand", clip(id.String())),
		Local:   "accepts an alternative name or the subject of the certificate",
		Remote:  DescribeCertificate(s.Chain[0]),
		Hint:    "set the peer's own identity to a name of its certificate, or add the name to the certificate",
	}
	if cn := s.Chain[0].Subject.CommonName; id.Type == wire.IDFQDN && foldASCII(cn) == foldASCII(id.Data) {
		p.Hint = "the certificate has the name as its common name only: issue it with a subject alternative name, DNS:" + clip(cn)
	}
	return p
}

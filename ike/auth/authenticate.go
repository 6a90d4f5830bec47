package auth

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/ike/wire"
)

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
func (t *Trust) signer(now time.Time, shown *Shown, s *search, by check) (*Signer, *Problem) {
	trusted := slices.ContainsFunc(t.keys, func(k crypto.PublicKey) bool { return samePublicKey(k, shown.key) })
	switch {
	case shown.certificate() != nil && len(t.authorities) > 0:
		return t.chain(now, shown, s)
	case shown.key == nil && len(t.keys) > 0:
		return t.guess(by)
	case trusted: // in a certificate, too, that nobody vouches for
		return &Signer{Key: shown.key}, nil
	case shown.raw() && len(t.keys) > 0:
		return nil, &Problem{Reason: ReasonCertificateUntrusted, Message: "the peer shows a raw public key that is not the one configured",
			Local: t.String(), Remote: "shows a raw " + describeKey(shown.key) + " public key", Hint: "compare auth.public_key.peer with the public key at the peer"}
	}
	return nil, t.missing(shown)
}

// guess is the configured key that the signature holds with, or what is wrong with the
// first.
func (t *Trust) guess(by check) (*Signer, *Problem) {
	var first *Problem
	for _, k := range t.keys {
		_, problem := by(k)
		if problem == nil {
			return &Signer{Key: k}, nil
		}
		first = cmp.Or(first, problem)
	}
	return nil, first
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
// even the key of the certificate that he shows has no chain built for him. A refusal
// costs the same for this and each of the others (cover.go).
func (t *Trust) Authenticate(now time.Time, payloads []*wire.Certificate, id Identity, proof *wire.Authentication, octets []byte, others ...*Trust) (*Signer, *Problem) {
	by := signatureCheck{allowed: t.schemes, see: t.see, tried: func(s Scheme) bool {
		return slices.ContainsFunc(append([]*Trust{t}, others...), func(o *Trust) bool { return slices.Contains(o.schemes, s) })
	}}
	signer, _, problem := t.authenticate(now, payloads, id, others, func(key crypto.PublicKey) (bool, *Problem) {
		return by.verify(key, proof, octets)
	})
	return signer, problem
}

// AuthenticateHash is Authenticate with the SIG payload of IKEv1. held says that the
// signature was made with the key that the peer shows, whatever else is wrong.
func (t *Trust) AuthenticateHash(now time.Time, payloads []*wire.Certificate, id Identity, hash, sig []byte, others ...*Trust) (signer *Signer, held bool, problem *Problem) {
	return t.authenticate(now, payloads, id, others, func(key crypto.PublicKey) (bool, *Problem) {
		if t.see != nil {
			t.see("signature of " + describeKey(key))
		}
		if VerifyHash(key, hash, sig) == nil {
			return true, nil
		}
		return false, &Problem{
			Reason:  ReasonAuthenticationFailed,
			Message: "the peer's signature does not hold",
			Local:   "checked with its " + describeKey(key) + " key",
			Remote:  fmt.Sprintf("a signature of %d octets", len(sig)),
			Hint:    "the private key at the peer belongs to another certificate, or something on the path changes messages",
		}
	})
}

// check tells whether the signature was made with a key, and what is wrong with it: one
// that was may be of a scheme that is not allowed.
type check func(crypto.PublicKey) (held bool, problem *Problem)

// authenticate is both. The key that is shown comes first, whether or not it is trusted.
func (t *Trust) authenticate(now time.Time, payloads []*wire.Certificate, id Identity, others []*Trust, by check) (*Signer, bool, *Problem) {
	shown, problem := ReadShown(payloads)
	if problem != nil {
		return nil, false, problem
	}
	var scheme *Problem
	held := false
	if shown.key != nil {
		if held, scheme = by(shown.key); !held {
			return nil, false, scheme
		}
	}
	s := &search{shown: shown.certificates, made: map[issue]bool{}, see: t.see}
	signer, problem := t.signer(now, shown, s, by)
	held = held || problem == nil
	if problem == nil {
		problem = signer.Identify(id)
	}
	if problem = cmp.Or(scheme, problem); problem != nil {
		t.cover(now, shown, s, others, by)
		return nil, held, problem
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

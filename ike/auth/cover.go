package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"time"
)

// What a refusal costs is seen by who is refused. Where a peer may be of one of several
// connections, which trust differently, it must not tell which of them was meant, if any:
// what is made with one trust is filled up to the same checks for all.

// Observed is the same trust, which tells of each check of a signature that it makes: for
// tests of how much work is done.
func (t *Trust) Observed(see func(what string)) *Trust {
	out := *t
	out.see = see
	return &out
}

// cover makes the checks that refusing the peer would have cost with the others, and did
// not with t.
func (t *Trust) cover(now time.Time, shown *Shown, s *search, others []*Trust, by check) {
	switch {
	case shown.key == nil:
		for _, k := range spare(t, others) {
			_, _ = by(k)
		}
	case shown.certificate() != nil:
		if len(t.authorities) == 0 && slices.ContainsFunc(others, func(o *Trust) bool { return len(o.authorities) > 0 }) {
			_, _ = s.path(now, shown.certificate(), nil, nil)
		}
		s.vouched(issuersOf(shown.certificates, t, others))
	}
}

// weight is what a check with a key costs by.
type weight struct {
	kind keyKind
	bits int
}

func weigh(key crypto.PublicKey) weight {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return weight{keyRSA, k.N.BitLen()}
	case *ecdsa.PublicKey:
		return weight{keyECDSA, k.Params().BitSize}
	}
	return weight{kind: keyEd25519}
}

// spare are raw public keys of the others: of each weight as many as the one with most of
// them has more than t. So however many others there are, a peer that shows no key is
// tried against few.
func spare(t *Trust, others []*Trust) []crypto.PublicKey {
	have := map[weight]int{}
	for _, k := range t.keys {
		have[weigh(k)]++
	}
	var out []crypto.PublicKey
	for _, o := range others {
		theirs := map[weight]int{}
		for _, k := range o.keys {
			w := weigh(k)
			if theirs[w]++; theirs[w] > have[w] {
				have[w]++
				out = append(out, k)
			}
		}
	}
	return out
}

// issuersOf are the authorities of t and the others that have the name of an issuer of the
// certificates, each once and t's first: no more than one trust can have.
func issuersOf(shown []*x509.Certificate, t *Trust, others []*Trust) []*x509.Certificate {
	var out []*x509.Certificate
	add := func(list []*x509.Certificate) {
		for _, a := range list {
			named := slices.ContainsFunc(shown, func(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, a.RawSubject) })
			if named && len(out) < maxAuthorities && !slices.ContainsFunc(out, a.Equal) {
				out = append(out, a)
			}
		}
	}
	add(t.authorities)
	for _, o := range others {
		add(o.authorities)
	}
	return out
}

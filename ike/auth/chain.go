package auth

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What vouches for a peer's certificate, from the authorities down to it.

// search looks among the certificates that a peer shows for those that lead to an
// authority. What it checked it does not check again, whoever asks.
type search struct {
	shown []*x509.Certificate // each once
	made  map[issue]bool
	see   func(what string) // is told of each check; nil: nobody is
}

// issue is one check: whether a certificate is signed with the key of another, whose DER
// this has.
type issue struct {
	of *x509.Certificate
	by string
}

// issued makes that check, if the other has the name of the issuer.
func (s *search) issued(c, by *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, by.RawSubject) || c.Equal(by) {
		return false
	}
	i := issue{c, string(by.Raw)}
	good, made := s.made[i]
	if !made {
		if s.see != nil {
			s.see("issue by " + describeKey(by.PublicKey))
		}
		good = by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
		s.made[i] = good
	}
	return good
}

// vouched are those of the certificates that lead to an authority, found from the
// authorities down: each is checked with keys that are trusted, and once for each issuer
// of its name. From the peer's certificate up, a stranger could make fifteen certificates
// of one name cost a hundred checks, with keys of his choice.
func (s *search) vouched(authorities []*x509.Certificate) []*x509.Certificate {
	issuers := slices.Clone(authorities)
	for i := 0; i < len(issuers); i++ {
		for _, c := range s.shown {
			if s.issued(c, issuers[i]) && !slices.ContainsFunc(issuers, c.Equal) {
				issuers = append(issuers, c)
			}
		}
	}
	return issuers[len(authorities):]
}

// path is every path from a certificate to a root by what is above it.
func (s *search) path(now time.Time, own *x509.Certificate, roots, above []*x509.Certificate) ([][]*x509.Certificate, error) {
	if s.see != nil {
		s.see("path")
	}
	return own.Verify(x509.VerifyOptions{Roots: pool(roots), Intermediates: pool(above), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
}

// chain builds and checks the path from the peer's certificate to an authority. A
// certificate that nobody vouches for has no path to look for.
func (t *Trust) chain(now time.Time, shown *Shown, s *search) (*Signer, *Problem) {
	own, others := shown.certificates[0], shown.certificates[1:]
	roots, above := t.authorities, s.vouched(t.authorities)
	if !slices.ContainsFunc(above, own.Equal) && !slices.ContainsFunc(roots, own.Equal) {
		roots, above = nil, nil
	}
	chains, err := s.path(now, own, roots, above)
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

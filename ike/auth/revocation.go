package auth

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// RevocationPolicy says what it takes for a peer's certificates to count.
type RevocationPolicy uint8

// The policies. A certificate that is known to be revoked is refused under each
// but RevocationOff; RevocationStrict also refuses one of which nothing current
// is known.
const (
	RevocationRelaxed RevocationPolicy = iota
	RevocationStrict
	RevocationOff
)

// Revocation is how certificates of a peer may be revoked: the policy, the
// lists of authorities that are at hand (RFC 5280 §5), and how to ask where
// neither these nor the peer tell; nil: nobody is asked.
type Revocation struct {
	Policy  RevocationPolicy
	Lists   []*x509.RevocationList
	Fetcher Fetcher
}

func (r Revocation) equal(o Revocation) bool {
	return r.Policy == o.Policy && (r.Fetcher == nil) == (o.Fetcher == nil) && slices.EqualFunc(r.Lists, o.Lists, func(a, b *x509.RevocationList) bool { return bytes.Equal(a.Raw, b.Raw) })
}

// WithRevocation is the same trust with revocation.
func (t *Trust) WithRevocation(r Revocation) *Trust {
	out := *t
	out.revocation = r
	return &out
}

// maxLists bounds the lists of one file.
const maxLists = 64

// ParseRevocationLists reads the revocation lists of a file: PEM blocks among
// others, or one list in DER.
func ParseRevocationLists(data []byte) ([]*x509.RevocationList, error) {
	var out []*x509.RevocationList
	block, rest := pem.Decode(data)
	if block == nil {
		list, err := parseRevocationList(data)
		if err != nil {
			return nil, errors.New("auth: no revocation list, in PEM (-----BEGIN X509 CRL-----) or DER")
		}
		return append(out, list), nil
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			continue
		}
		list, err := parseRevocationList(block.Bytes)
		if err != nil {
			return nil, err
		}
		if out = append(out, list); len(out) > maxLists {
			return nil, fmt.Errorf("auth: more than %d revocation lists", maxLists)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("auth: no revocation list in PEM (-----BEGIN X509 CRL-----)")
	}
	return out, nil
}

// parseRevocationList reads a list that may be used: RFC 5280 §5.2 and §5.3
// forbid the use of one with a critical extension that is not understood, such as
// those of delta, partial and indirect lists.
func parseRevocationList(der []byte) (*x509.RevocationList, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("auth: malformed revocation list: %w", err)
	}
	if weak(list.SignatureAlgorithm) {
		return nil, fmt.Errorf("auth: the revocation list of %s is signed with %s, which is too weak", nameOr(list.RawIssuer, nil), list.SignatureAlgorithm)
	}
	critical := func(oid string) error {
		return fmt.Errorf("auth: the revocation list of %s has the critical extension %s: delta, partial and indirect lists are not supported", nameOr(list.RawIssuer, nil), oid)
	}
	for _, e := range list.Extensions {
		if e.Critical {
			return nil, critical(e.Id.String())
		}
	}
	for _, entry := range list.RevokedCertificateEntries {
		for _, e := range entry.Extensions {
			if e.Critical {
				return nil, critical(e.Id.String())
			}
		}
	}
	return list, nil
}

// weak tells whether signatures of an algorithm can be forged.
func weak(a x509.SignatureAlgorithm) bool {
	return a == x509.SHA1WithRSA || a == x509.ECDSAWithSHA1 || a == x509.MD5WithRSA
}

// DoubtLists says which of the lists at hand are of no use at now.
func (t *Trust) DoubtLists(now time.Time) []error {
	var out []error
	for _, l := range t.revocation.Lists {
		name := nameOr(l.RawIssuer, nil)
		if !current(now, l.ThisUpdate, l.NextUpdate) {
			out = append(out, fmt.Errorf("the revocation list of %s is not current: it was made at %s and is followed by another at %s", name, day(l.ThisUpdate), day(l.NextUpdate)))
		}
		named := func(a *x509.Certificate) bool { return bytes.Equal(a.RawSubject, l.RawIssuer) }
		signed := func(a *x509.Certificate) bool { return named(a) && l.CheckSignatureFrom(a) == nil }
		if slices.ContainsFunc(t.authorities, named) && !slices.ContainsFunc(t.authorities, signed) {
			out = append(out, fmt.Errorf("the revocation list of %s is not signed by the authority of that name in ca", name))
		}
	}
	return out
}

// clockSkew is how far a clock of an authority may be ahead of ours.
const clockSkew = 5 * time.Minute

// current tells whether a statement holds at now. One without an end cannot be
// told from an old one that somebody kept, so it never does.
func current(now, from, to time.Time) bool {
	return !now.Add(clockSkew).Before(from) && !to.IsZero() && !now.After(to)
}

// status is what is known of a certificate. What revokes wins over what does
// not: the peer chooses what it sends.
type status uint8

const (
	statusUnknown status = iota
	statusGood
	statusRevoked
)

// finding is a status and who says so.
type finding struct {
	status status
	text   string
}

// onHold is the reason of a revocation that can be taken back (RFC 5280 §5.3.1).
const onHold = 6

// revocations names the reasons of RFC 5280 §5.3.1.
var revocations = map[int]string{
	1: "key compromise", 2: "compromise of the authority", 3: "affiliation changed", 4: "superseded", 5: "cessation of operation",
	onHold: "on hold", 9: "privilege withdrawn", 10: "compromise of the attribute authority",
}

func revokedBy(who string, at time.Time, reason int) finding {
	why := ""
	if name := revocations[reason]; name != "" {
		why = " (" + name + ")"
	}
	return finding{statusRevoked, "revoked at " + day(at) + why + ", as " + who + " says"}
}

// maxPaths bounds the chains of one certificate whose revocation is looked at.
const maxPaths = 4

// CheckRevocation looks for a chain of a signer in which nothing is known to be
// revoked, in what is at hand, what the peer sent and what the authorities'
// servers say, and gives the problem that there is with the first if there is
// none. The signature must have been verified: a stranger with somebody's
// certificate is not to make us read what it sends about revocation
// (CVE-2022-40617), nor ask.
func (t *Trust) CheckRevocation(now time.Time, signer *Signer) *Problem {
	if t.revocation.Policy == RevocationOff || len(signer.chains) == 0 {
		return nil
	}
	lists := slices.Clone(t.revocation.Lists)
	for _, der := range signer.shown.lists {
		if l, err := parseRevocationList(der); err == nil {
			lists = append(lists, l)
		}
	}
	var first *Problem
	servers := maxFetches
	for _, chain := range signer.chains[:min(len(signer.chains), maxPaths)] {
		known := statusOf(now, chain, lists, signer.shown)
		problem := t.judge(chain, known)
		if t.Asks() && (problem == nil || problem.Reason == ReasonRevocationUnknown) {
			servers = t.ask(now, chain, known, servers)
			problem = t.judge(chain, known)
		}
		if problem == nil {
			signer.Chain = chain
			return nil
		}
		if first == nil {
			first = problem
		}
	}
	return first
}

// statusOf is what is known of each certificate of a chain below the authority
// at its end, which is trusted by configuration.
func statusOf(now time.Time, chain []*x509.Certificate, lists []*x509.RevocationList, shown *Shown) []finding {
	known := make([]finding, len(chain)-1)
	for i := range known {
		known[i] = listed(now, chain[i], chain[i+1], lists)
		for _, der := range shown.responses {
			known[i] = stronger(known[i], answered(now, chain[i], chain[i+1], der))
		}
	}
	return known
}

// judge is the problem with the first certificate of a chain that has one.
func (t *Trust) judge(chain []*x509.Certificate, known []finding) *Problem {
	var unknown *Problem
	for i, f := range known {
		c := chain[i]
		switch {
		case f.status == statusRevoked:
			return &Problem{Reason: ReasonCertificateRevoked, Message: "the certificate of " + subjectOf(c) + " was " + f.text,
				Local: t.String(), Remote: DescribeCertificate(c), Hint: "give the peer another certificate, or have the authority issue a new list if this one was revoked by mistake"}
		case f.status == statusUnknown && t.revocation.Policy == RevocationStrict && unknown == nil:
			unknown = &Problem{Reason: ReasonRevocationUnknown, Message: "nothing tells whether the certificate of " + subjectOf(c) + " is revoked" + f.text,
				Local: "auth.certificate.revocation is strict; " + t.String(), Remote: DescribeCertificate(c),
				Hint: fmt.Sprintf("put a current revocation list of %s into crl, let the peer send one or an OCSP response, set fetch to ask its servers, or set revocation to relaxed", issuerOf(c))}
		}
	}
	return unknown
}

// stronger is the finding that counts of two.
func stronger(a, b finding) finding {
	if b.status > a.status || b.status == a.status && a.text == "" {
		return b
	}
	return a
}

// listed is what lists of the issuer say of a certificate. A list that another
// one has followed still revokes, but for what may have been taken back.
func listed(now time.Time, c, issuer *x509.Certificate, lists []*x509.RevocationList) finding {
	var out finding
	for _, l := range lists {
		if !bytes.Equal(l.RawIssuer, issuer.RawSubject) || now.Add(clockSkew).Before(l.ThisUpdate) {
			continue
		}
		if err := l.CheckSignatureFrom(issuer); err != nil {
			out = stronger(out, finding{text: ": the list of " + subjectOf(issuer) + " is not signed by it"})
			continue
		}
		fresh := current(now, l.ThisUpdate, l.NextUpdate)
		at := slices.IndexFunc(l.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(c.SerialNumber) == 0 })
		switch {
		case at >= 0 && (fresh || l.RevokedCertificateEntries[at].ReasonCode != onHold):
			e := l.RevokedCertificateEntries[at]
			return revokedBy("the list of "+subjectOf(issuer), e.RevocationTime, e.ReasonCode)
		case fresh:
			out = stronger(out, finding{status: statusGood})
		default:
			out = stronger(out, finding{text: ": the list of " + subjectOf(issuer) + " ended at " + day(l.NextUpdate)})
		}
	}
	return out
}

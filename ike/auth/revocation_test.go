package auth

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"causeway/ike/wire"
	"causeway/test/pki"

	"golang.org/x/crypto/ocsp"
)

// revocationPKI is a root, an authority below it, a peer's certificate and those
// who speak about it.
type revocationPKI struct {
	root, sub, peer                        *pki.Holder
	twin                                   *pki.Holder // another authority with the name of sub
	responder, plain, expired, strange     *pki.Holder // OCSP: as it should be; without the usage; in the past; of another authority
	subList, empty, old, listed, oldListed []byte
}

var yesterday, tomorrow = noon.Add(-24 * time.Hour), noon.Add(24 * time.Hour)

func newRevocationPKI() *revocationPKI {
	key := func() crypto.Signer { return pki.ECDSA(elliptic.P256()) }
	signs := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }
	r := &revocationPKI{root: pki.Root("Root", key())}
	r.sub, r.twin = r.root.Authority("Sub", key()), pki.Root("Sub", key())
	r.peer = r.sub.Issue("b", key(), pki.Names("b.example"))
	r.responder, r.plain = r.sub.Issue("Responder", key(), signs), r.sub.Issue("Host", key())
	r.expired = r.sub.Issue("Responder", key(), signs, pki.Valid(pki.NotBefore, yesterday))
	r.strange = r.twin.Issue("Responder", key(), signs)
	r.subList, r.empty = r.root.RevocationList(yesterday, tomorrow), r.sub.RevocationList(yesterday, tomorrow)
	r.old = r.sub.RevocationList(yesterday.Add(-time.Hour), yesterday)
	r.listed = r.sub.RevocationList(yesterday, tomorrow, r.entry(4))
	r.oldListed = r.sub.RevocationList(yesterday.Add(-time.Hour), yesterday, r.entry(4))
	return r
}

func (r *revocationPKI) entry(reason int) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: r.peer.Certificate.SerialNumber, RevocationTime: yesterday, ReasonCode: reason}
}

// says is a response of a responder about the peer's certificate.
func (r *revocationPKI) says(responder *pki.Holder, status int, from, to time.Time) []byte {
	return pki.OCSP(r.sub, responder, r.peer.Certificate, ocsp.Response{Status: status, ThisUpdate: from, NextUpdate: to, RevokedAt: from})
}

// judge is the reason that the peer is refused for.
func (r *revocationPKI) judge(t *testing.T, policy RevocationPolicy, files [][]byte, sent ...*wire.Certificate) (Reason, string) {
	t.Helper()
	rev := Revocation{Policy: policy}
	for _, f := range files {
		lists, err := ParseRevocationLists(f)
		if err != nil {
			t.Fatal(err)
		}
		rev.Lists = append(rev.Lists, lists...)
	}
	shown, proof := prove(t, r.peer, r.peer.Above...)
	_, p := trust(t, r.root).WithRevocation(rev).Verify(noon, append(shown, sent...), identity(t, "b.example"), proof, octets)
	if p == nil {
		return "", ""
	}
	if p.Hint == "" || p.Local == "" || p.Remote == "" {
		t.Errorf("explains nothing: %+v", p)
	}
	return p.Reason, p.Message
}

func crl(der []byte) *wire.Certificate {
	return &wire.Certificate{Encoding: wire.CertCRL, Data: der}
}

func stapled(der []byte) *wire.Certificate {
	return &wire.Certificate{Encoding: wire.CertOCSPContent, Data: der}
}

// TestRevocation: each piece of evidence under relaxed and under strict, where
// the list of the root says that Sub itself is good.
func TestRevocation(t *testing.T) {
	r := newRevocationPKI()
	sent := func(c ...*wire.Certificate) []*wire.Certificate { return c }
	good, none := Reason(""), ReasonRevocationUnknown
	revoked := ReasonCertificateRevoked
	delta := r.sub.ChangedList(&x509.RevocationList{Number: r.peer.Certificate.SerialNumber, ThisUpdate: yesterday, NextUpdate: tomorrow,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}})
	other := pki.OCSP(r.sub, r.sub, r.responder.Certificate, ocsp.Response{Status: ocsp.Good, ThisUpdate: yesterday, NextUpdate: tomorrow})
	changed := bytes.Clone(r.says(r.sub, ocsp.Good, yesterday, tomorrow))
	changed[len(changed)-1] ^= 1
	for _, c := range []struct {
		name            string
		files           [][]byte
		sent            []*wire.Certificate
		relaxed, strict Reason
		says            string // part of what strict says
	}{
		{"nothing", nil, nil, good, none, "nothing tells whether"},
		{"a list in a file", [][]byte{r.empty}, nil, good, good, ""},
		{"a list in PEM", [][]byte{pki.ListPEM(r.empty)}, nil, good, good, ""},
		{"a list of the peer", nil, sent(crl(r.empty)), good, good, ""},
		{"revoked in a file", [][]byte{r.listed}, nil, revoked, revoked, "(superseded), as the list of"},
		{"revoked in a list of the peer", nil, sent(crl(r.listed)), revoked, revoked, ""},
		{"an old list", [][]byte{r.old}, nil, good, none, "ended at 2026-05-31"},
		{"revoked in an old list", [][]byte{r.oldListed}, nil, revoked, revoked, ""},
		{"a list of the future", [][]byte{r.sub.RevocationList(tomorrow, tomorrow.Add(time.Hour), r.entry(4))}, nil, good, none, ""},
		{"on hold in an old list", [][]byte{r.sub.RevocationList(yesterday.Add(-time.Hour), yesterday, r.entry(onHold))}, nil, good, none, ""},
		{"on hold", [][]byte{r.sub.RevocationList(yesterday, tomorrow, r.entry(onHold))}, nil, revoked, revoked, "(on hold)"},
		{"a list of another authority of the name", [][]byte{r.twin.RevocationList(yesterday, tomorrow, r.entry(4))}, nil, good, none, "is not signed by it"},
		{"a list of another authority", nil, sent(crl(r.root.RevocationList(yesterday, tomorrow, r.entry(4)))), good, none, ""},
		{"a delta list", nil, sent(crl(delta)), good, none, ""},
		{"no list", nil, sent(crl([]byte("junk"))), good, none, ""},
		{"stapled", nil, sent(stapled(r.says(r.sub, ocsp.Good, yesterday, tomorrow))), good, good, ""},
		{"stapled, revoked", nil, sent(stapled(r.says(r.sub, ocsp.Revoked, yesterday, tomorrow))), revoked, revoked, "an OCSP response of"},
		{"stapled, revoked and out of date", nil, sent(stapled(r.says(r.sub, ocsp.Revoked, yesterday, yesterday))), revoked, revoked, ""},
		{"stapled, unknown", nil, sent(stapled(r.says(r.sub, ocsp.Unknown, yesterday, tomorrow))), good, none, "does not know it"},
		{"stapled, expired", nil, sent(stapled(r.says(r.sub, ocsp.Good, yesterday, yesterday))), good, none, "response ended at"},
		{"stapled, without an end", nil, sent(stapled(r.says(r.sub, ocsp.Good, yesterday, time.Time{}))), good, none, "until when"},
		{"stapled, of the future", nil, sent(stapled(r.says(r.sub, ocsp.Revoked, tomorrow, tomorrow))), good, none, "of the future"},
		{"stapled, wrong signature", nil, sent(stapled(changed)), good, none, "bad OCSP signature"},
		{"stapled, wrong issuer", nil, sent(stapled(pki.OCSP(r.twin, r.twin, r.peer.Certificate, ocsp.Response{Status: ocsp.Revoked, ThisUpdate: yesterday, NextUpdate: tomorrow}))), good, none, "bad OCSP signature"},
		{"stapled, about another issuer", nil, sent(stapled(pki.OCSP(r.root, &pki.Holder{Certificate: r.sub.Certificate, Key: r.sub.Key}, r.peer.Certificate,
			ocsp.Response{Status: ocsp.Good, ThisUpdate: yesterday, NextUpdate: tomorrow}))), good, none, ""},
		{"stapled, about another certificate", nil, sent(stapled(other)), good, none, "no response matching"},
		{"stapled by a delegated responder", nil, sent(stapled(r.says(r.responder, ocsp.Good, yesterday, tomorrow))), good, good, ""},
		{"stapled by a delegated responder, revoked", nil, sent(stapled(r.says(r.responder, ocsp.Revoked, yesterday, tomorrow))), revoked, revoked, ""},
		{"stapled by a host", nil, sent(stapled(r.says(r.plain, ocsp.Revoked, yesterday, tomorrow))), good, none, "lacks OCSPSigning"},
		{"stapled by the peer itself", nil, sent(stapled(r.says(r.peer, ocsp.Good, yesterday, tomorrow))), good, none, "lacks OCSPSigning"},
		{"stapled by an expired responder", nil, sent(stapled(r.says(r.expired, ocsp.Good, yesterday, tomorrow))), good, none, "not valid now"},
		{"stapled by a strange responder", nil, sent(stapled(r.says(r.strange, ocsp.Revoked, yesterday, tomorrow))), good, none, "bad OCSP signature"},
		{"stapled, oversized", nil, sent(stapled(append(r.says(r.sub, ocsp.Good, yesterday, tomorrow), make([]byte, maxOCSP)...))), good, none, "octets; at most"},
		{"stapled, no response", nil, sent(stapled([]byte("junk"))), good, none, "does not count"},
		{"stapled good, revoked in a file", [][]byte{r.listed}, sent(stapled(r.says(r.sub, ocsp.Good, yesterday, tomorrow))), revoked, revoked, ""},
		{"stapled revoked, good in a file", [][]byte{r.empty}, sent(stapled(r.says(r.sub, ocsp.Revoked, yesterday, tomorrow))), revoked, revoked, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, text := r.judge(t, RevocationRelaxed, c.files, c.sent...); got != c.relaxed {
				t.Errorf("relaxed: %q, not %q: %s", got, c.relaxed, text)
			}
			got, text := r.judge(t, RevocationStrict, append(c.files, r.subList), c.sent...)
			if got != c.strict || !strings.Contains(text, c.says) {
				t.Errorf("strict: %q, not %q: %s", got, c.strict, text)
			}
			if got, text := r.judge(t, RevocationOff, c.files, c.sent...); got != "" {
				t.Errorf("off: %s: %s", got, text)
			}
		})
	}
}

// TestRevokedAuthority: every certificate below the trusted one counts.
func TestRevokedAuthority(t *testing.T) {
	r := newRevocationPKI()
	if got, text := r.judge(t, RevocationStrict, [][]byte{r.empty}); got != ReasonRevocationUnknown || !strings.Contains(text, "CN=Sub") {
		t.Errorf("nothing of the authority: %q %s", got, text)
	}
	list := r.root.RevocationList(yesterday, tomorrow, x509.RevocationListEntry{SerialNumber: r.sub.Certificate.SerialNumber, RevocationTime: yesterday, ReasonCode: 2})
	if got, text := r.judge(t, RevocationRelaxed, [][]byte{r.empty, list}); got != ReasonCertificateRevoked || !strings.Contains(text, "CN=Sub") || !strings.Contains(text, "compromise of the authority") {
		t.Errorf("%q %s", got, text)
	}
}

// TestRevocationOfTwoIssuers: a responder with one key for two authorities, whose
// certificates have one serial number: its word about one is not of the other.
func TestRevocationOfTwoIssuers(t *testing.T) {
	r := newRevocationPKI()
	der := pki.OCSP(r.twin, &pki.Holder{Certificate: r.responder.Certificate, Key: r.responder.Key}, r.peer.Certificate,
		ocsp.Response{Status: ocsp.Good, ThisUpdate: yesterday, NextUpdate: tomorrow})
	if got, text := r.judge(t, RevocationStrict, [][]byte{r.subList}, stapled(der)); got != ReasonRevocationUnknown || !strings.Contains(text, "another authority") {
		t.Errorf("%q %s", got, text)
	}
}

// TestCVE_2022_40617_BeforeTrust: strongSwan followed the addresses in a
// certificate that no authority vouched for. Nothing that such a peer sends, and
// no list, is looked at before the chain is verified, nor before the peer proved
// that the certificate is its own.
func TestCVE_2022_40617_BeforeTrust(t *testing.T) {
	r := newRevocationPKI()
	peer := r.twin.Issue("b", r.peer.Key, pki.Names("b.example"), func(c *x509.Certificate) {
		c.OCSPServer, c.CRLDistributionPoints = []string{"http://127.0.0.1:1/"}, []string{"http://127.0.0.1:1/"}
	})
	shown, proof := prove(t, peer, r.twin.Certificate)
	list := r.twin.RevocationList(yesterday, tomorrow, x509.RevocationListEntry{SerialNumber: peer.Certificate.SerialNumber, RevocationTime: yesterday})
	for _, policy := range []RevocationPolicy{RevocationRelaxed, RevocationStrict} {
		_, p := trust(t, r.root).WithRevocation(Revocation{Policy: policy}).Verify(noon, append(shown, crl(list)), identity(t, "b.example"), proof, octets)
		if p == nil || p.Reason != ReasonCertificateUntrusted {
			t.Errorf("%v", p)
		}
		shown, proof := prove(t, r.peer, r.peer.Above...)
		proof.Data[len(proof.Data)-1] ^= 1
		_, p = trust(t, r.root).WithRevocation(Revocation{Policy: policy}).Verify(noon, append(shown, crl(r.listed)), identity(t, "b.example"), proof, octets)
		if p == nil || p.Reason != ReasonAuthenticationFailed {
			t.Errorf("somebody's certificate, of which it sends a list: %v", p)
		}
	}
}

func TestRevocationLists(t *testing.T) {
	r := newRevocationPKI()
	two, err := ParseRevocationLists(append(pki.ListPEM(r.empty), append(pki.PEM(r.root.Certificate), pki.ListPEM(r.subList)...)...))
	if err != nil || len(two) != 2 {
		t.Errorf("%d lists, %v", len(two), err)
	}
	for name, text := range map[string][]byte{"junk": []byte("junk"), "a certificate": pki.PEM(r.root.Certificate), "malformed": pki.ListPEM([]byte("junk")),
		"too many": bytes.Repeat(pki.ListPEM(r.empty), maxLists+1)} {
		if _, err := ParseRevocationLists(text); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	with := func(lists ...*x509.RevocationList) *Trust {
		return trust(t, r.root).WithRevocation(Revocation{Lists: lists})
	}
	if doubts := with(two...).DoubtLists(noon); len(doubts) > 0 {
		t.Errorf("%v", doubts)
	}
	if doubts := with(two...).DoubtLists(tomorrow.Add(time.Hour)); len(doubts) != 2 {
		t.Errorf("%v", doubts)
	}
	if with(two...).Equal(with(two[0])) || !with(two...).Equal(with(two...)) || with().Equal(with().WithRevocation(Revocation{Policy: RevocationStrict})) {
		t.Error("Equal does not see revocation")
	}
	if got := Requests(with().WithRevocation(Revocation{Policy: RevocationStrict})); len(got) != 2 || got[1].Encoding != wire.CertOCSPContent || len(got[1].Data) > 0 {
		t.Errorf("%v", got)
	}
}

func FuzzParseRevocationLists(f *testing.F) {
	r := newRevocationPKI()
	f.Add(pki.ListPEM(r.listed))
	f.Add(r.listed)
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = ParseRevocationLists(data) })
}

// FuzzOCSP: what a peer staples never panics.
func FuzzOCSP(f *testing.F) {
	r := newRevocationPKI()
	f.Add(r.says(r.sub, ocsp.Good, yesterday, tomorrow))
	f.Add(r.says(r.responder, ocsp.Revoked, yesterday, tomorrow))
	f.Fuzz(func(_ *testing.T, data []byte) { answered(noon, r.peer.Certificate, r.sub.Certificate, data) })
}

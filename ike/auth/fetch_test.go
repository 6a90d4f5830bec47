package auth

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"causeway/ike/wire"
	"causeway/test/pki"

	"golang.org/x/crypto/ocsp"
)

// servers is what a network of authorities' servers says: answers by their
// addresses. It implements Fetcher.
type servers struct {
	answers map[string][]byte
	asked   []string
	kept    map[string]time.Time
}

func (s *servers) Fetch(server string, request []byte, until func([]byte) time.Time) ([]byte, error) {
	s.asked = append(s.asked, server)
	data, ok := s.answers[server]
	if !ok {
		return nil, errors.New("nobody there")
	}
	if (request != nil) != strings.Contains(server, "ocsp") {
		return nil, errors.New("asked for the wrong thing")
	}
	if s.kept == nil {
		s.kept = map[string]time.Time{}
	}
	s.kept[server] = until(data)
	return data, nil
}

func names(ocsp, crl []string) pki.Change {
	return func(c *x509.Certificate) { c.OCSPServer, c.CRLDistributionPoints = ocsp, crl }
}

// TestFetched: what servers say about a peer of which nothing else is known.
func TestFetched(t *testing.T) {
	key := func() crypto.Signer { return pki.ECDSA(elliptic.P256()) }
	root := pki.Root("Root", key())
	sub := root.Authority("Sub", key(), names(nil, []string{"http://root/crl"}))
	peer := sub.Issue("b", key(), pki.Names("b.example"),
		names([]string{"https://sub/ocsp", "http://sub/ocsp"}, []string{"ldap://sub/crl", "http://sub/crl"}))
	r := &revocationPKI{root: root, sub: sub, peer: peer}
	say := func(status int, to time.Time) []byte {
		return pki.OCSP(sub, sub, peer.Certificate, ocsp.Response{Status: status, ThisUpdate: yesterday, NextUpdate: to, RevokedAt: yesterday})
	}
	rootList := root.RevocationList(yesterday, tomorrow)
	empty, revoking := sub.RevocationList(yesterday, tomorrow), sub.RevocationList(yesterday, tomorrow, r.entry(1))
	const subOCSP, subList, rootCRL = "http://sub/ocsp", "http://sub/crl", "http://root/crl"
	for _, c := range []struct {
		name            string
		answers         map[string][]byte
		relaxed, strict Reason
		asked           string // under strict
		says            string
		forgotten       bool // the responder's answer is not worth keeping
	}{
		{"nobody answers", nil, "", ReasonRevocationUnknown, subOCSP + " " + subList + " " + rootCRL, "the OCSP responder http://sub/ocsp does not answer: nobody there", false},
		{"good", map[string][]byte{subOCSP: say(ocsp.Good, tomorrow), rootCRL: rootList}, "", "", subOCSP + " " + rootCRL, "", false},
		{"revoked", map[string][]byte{subOCSP: say(ocsp.Revoked, tomorrow)}, ReasonCertificateRevoked, ReasonCertificateRevoked, "", "revoked", false},
		{"a list in place of the responder", map[string][]byte{subList: empty, rootCRL: rootList}, "", "", subOCSP + " " + subList + " " + rootCRL, "", false},
		{"listed", map[string][]byte{subList: revoking}, ReasonCertificateRevoked, ReasonCertificateRevoked, "", "key compromise", false},
		{"an old response", map[string][]byte{subOCSP: say(ocsp.Good, yesterday), rootCRL: rootList}, "", ReasonRevocationUnknown, "", "ended at", true},
		{"a page of a portal", map[string][]byte{subOCSP: []byte("<html>"), subList: []byte("<html>"), rootCRL: rootList}, "", ReasonRevocationUnknown, "", "does not count", true},
		{"a list of another", map[string][]byte{subList: rootList, rootCRL: rootList}, "", ReasonRevocationUnknown, "", "", false},
	} {
		for _, policy := range []RevocationPolicy{RevocationRelaxed, RevocationStrict, RevocationOff} {
			s := &servers{answers: c.answers}
			shown, proof := prove(t, peer, peer.Above...)
			_, p := trust(t, root).WithRevocation(Revocation{Policy: policy, Fetcher: s}).Verify(noon, shown, identity(t, "b.example"), proof, octets)
			want := map[RevocationPolicy]Reason{RevocationRelaxed: c.relaxed, RevocationStrict: c.strict}[policy]
			switch {
			case (p == nil) != (want == "") || p != nil && p.Reason != want:
				t.Errorf("%s, policy %d: %v, want %q", c.name, policy, p, want)
			case policy == RevocationStrict && p != nil && !strings.Contains(p.Message, c.says):
				t.Errorf("%s: says %q, want %q", c.name, p.Message, c.says)
			case policy == RevocationStrict && c.asked != "" && strings.Join(s.asked, " ") != c.asked:
				t.Errorf("%s: asked %q, want %q", c.name, s.asked, c.asked)
			case policy == RevocationOff && s.asked != nil:
				t.Errorf("%s: asked %q where nobody is to be asked", c.name, s.asked)
			}
			if until, asked := s.kept[subOCSP]; asked && until.IsZero() != c.forgotten {
				t.Errorf("%s: the answer of the responder is kept until %v", c.name, until)
			}
		}
	}
}

// TestFetchedAfterSignature: whoever has somebody's certificate, and not the key,
// makes us ask nobody; nor does a chain that leads nowhere (CVE-2022-40617).
func TestFetchedAfterSignature(t *testing.T) {
	key := func() crypto.Signer { return pki.ECDSA(elliptic.P256()) }
	root, stranger := pki.Root("Root", key()), pki.Root("Root", key())
	servers := &servers{}
	for name, c := range map[string]struct {
		of    *pki.Holder
		spoil int
		id    string
	}{
		"another signature": {root.Issue("b", key(), pki.Names("b.example"), names([]string{"http://ocsp"}, nil)), 1, "b.example"},
		"another identity":  {root.Issue("b", key(), pki.Names("b.example"), names([]string{"http://ocsp"}, nil)), 0, "c.example"},
		"another authority": {stranger.Issue("b", key(), pki.Names("b.example"), names([]string{"http://ocsp"}, nil)), 0, "b.example"},
	} {
		shown, proof := prove(t, c.of)
		proof.Data[len(proof.Data)-1] ^= byte(c.spoil)
		_, p := trust(t, root).WithRevocation(Revocation{Fetcher: servers}).Verify(noon, shown, identity(t, c.id), proof, octets)
		if p == nil || len(servers.asked) > 0 {
			t.Errorf("%s: %v; asked %q", name, p, servers.asked)
		}
	}
}

// TestFetchedIsBounded: a chain whose certificates name many servers makes us ask
// a few.
func TestFetchedIsBounded(t *testing.T) {
	key := func() crypto.Signer { return pki.ECDSA(elliptic.P256()) }
	many := names([]string{"http://1/ocsp", "http://2/ocsp", "http://3/ocsp"}, []string{"http://1/crl", "http://2/crl", "http://3/crl"})
	root := pki.Root("Root", key())
	peer := root.Authority("Sub", key(), many).Issue("b", key(), pki.Names("b.example"), many)
	s := &servers{}
	shown, proof := prove(t, peer, peer.Above...)
	trust(t, root).WithRevocation(Revocation{Fetcher: s}).Verify(noon, shown, identity(t, "b.example"), proof, octets)
	if len(s.asked) != maxFetches {
		t.Errorf("asked %d servers, %q", len(s.asked), s.asked)
	}
}

// TestStaple: our own response goes to a peer that asks, and only then is the
// responder asked.
func TestStaple(t *testing.T) {
	key := func() crypto.Signer { return pki.ECDSA(elliptic.P256()) }
	root := pki.Root("Root", key())
	own := root.Issue("a", key(), pki.Names("a.example"), names([]string{"http://ocsp"}, nil))
	response := pki.OCSP(root, root, own.Certificate, ocsp.Response{Status: ocsp.Good, ThisUpdate: yesterday, NextUpdate: tomorrow})
	c, err := NewCredentials(own.Key, []*x509.Certificate{own.Certificate}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &servers{answers: map[string][]byte{"http://ocsp": response}}
	for _, n := range []struct {
		name   string
		c      *Credentials
		staple bool
	}{
		{"without a fetcher", c, false},
		{"without the issuer", c.WithStaple(s, nil), false},
		{"with it", c.WithStaple(s, []*x509.Certificate{pki.Root("Root", key()).Certificate, root.Certificate}), true},
		{"nobody answers", c.WithStaple(&servers{}, []*x509.Certificate{root.Certificate}), false},
	} {
		got := n.c.Staple(noon)
		if (len(got) == 1) != n.staple {
			t.Errorf("%s: %v", n.name, got)
			continue
		}
		if !n.staple {
			continue
		}
		sent := got[0].(*wire.Certificate)
		shown, proof := prove(t, own)
		if _, p := trust(t, root).WithRevocation(Revocation{Policy: RevocationStrict}).Verify(noon, append(shown, sent), identity(t, "a.example"), proof, octets); p != nil {
			t.Errorf("%s: the peer says %v", n.name, p)
		}
	}
}

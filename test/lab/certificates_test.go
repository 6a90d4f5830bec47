package lab

import (
	"crypto"
	"crypto/elliptic"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
	"causeway/test/pki"
)

// authority is the PKI of these tests: the ends have certificates of an
// intermediate authority.
type authority struct{ root, sub *pki.Holder }

func newAuthority() authority {
	root := pki.Root("Root", pki.ECDSA(elliptic.P384()))
	return authority{root, root.Authority("Sub", pki.RSA(3072, 0))}
}

// ours is the proof of our end by a certificate; more are further keys of auth.
func (a authority) ours(h *pki.Holder, more string) *link.Proof {
	return &link.Proof{
		Files: map[string][]byte{"a.pem": pki.PEM(h.Chain()...), "a.key": pki.KeyPEM(h.Key), "ca.pem": pki.PEM(a.root.Certificate)},
		Auth:  "{certificate: {chain: a.pem, key: a.key, ca: [ca.pem]}" + more + "}",
	}
}

// theirs is that of strongSwan's end; scheme is its auth of both sides.
func (a authority) theirs(h *pki.Holder, scheme string) *link.Proof {
	p := &link.Proof{
		Files: map[string][]byte{"x509/b.pem": pki.PEM(h.Certificate), "private/b.key": pki.KeyPEM(h.Key), "x509ca/root.pem": pki.PEM(a.root.Certificate)},
		Local: []string{"auth = " + scheme, "certs = b.pem"}, Remote: []string{"auth = " + scheme, "cacerts = root.pem"},
	}
	for _, c := range h.Above {
		p.Files["x509ca/sub.pem"] = pki.PEM(c)
	}
	return p
}

// signed is the two ends of a tunnel between certificates.
func signed() (a, b link.End) {
	a, _ = link.Pair()
	a = networks(a, 0)
	return a, a.Peer()
}

// TestCertificates: each kind of key and signature, in both roles.
func TestCertificates(t *testing.T) {
	t.Parallel()
	p := newAuthority()
	for _, c := range []struct {
		name         string
		ours, theirs crypto.Signer
		scheme, more string
	}{
		{"RSA PSS", pki.RSA(2048, 0), pki.RSA(2048, 1), "ike:rsa/pss-sha256", ""},
		{"RSA PKCS1", pki.RSA(2048, 0), pki.RSA(2048, 1), "ike:rsa-sha384", ", signatures: [rsa-sha384]"},
		{"ECDSA P-256", pki.ECDSA(elliptic.P256()), pki.ECDSA(elliptic.P256()), "pubkey", ""},
		{"ECDSA P-384", pki.ECDSA(elliptic.P384()), pki.ECDSA(elliptic.P384()), "pubkey", ""},
		{"ECDSA P-521", pki.ECDSA(elliptic.P521()), pki.ECDSA(elliptic.P521()), "pubkey", ""},
		{"Ed25519", pki.Ed25519(), pki.Ed25519(), "pubkey", ""},
		{"ECDSA and RSA", pki.ECDSA(elliptic.P256()), pki.RSA(2048, 1), "pubkey", ""},
	} {
		for _, role := range []string{"initiator", "responder"} {
			t.Run(c.name+"/"+role, func(t *testing.T) {
				s := newScene(t)
				a, b := signed()
				a.Start, b.Start = role == "initiator", role == "responder"
				a.Proof = p.ours(p.sub.Issue("a", c.ours, pki.Names(a.LocalIdentity)), c.more)
				b.Proof = p.theirs(p.sub.Issue("b", c.theirs, pki.Names(b.LocalIdentity)), c.scheme)
				s.joined(a, b)
			})
		}
	}
}

// TestMixedMethods: a certificate here and the pre-shared key there.
func TestMixedMethods(t *testing.T) {
	p := newAuthority()
	s := newScene(t)
	a, b := signed()
	a.Proof = p.ours(p.sub.Issue("a", pki.ECDSA(elliptic.P256()), pki.Names(a.LocalIdentity)), "")
	a.Proof.Auth = `{certificate: {chain: a.pem, key: a.key}, psk: "` + a.PSK + `", local: certificate, remote: psk}`
	b.Proof = p.theirs(p.sub.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names(b.LocalIdentity)), "pubkey")
	b.Proof.Local = []string{"auth = psk"}
	s.joined(a, b)
}

// TestRawPublicKeys: neither end has a certificate (RFC 7670).
func TestRawPublicKeys(t *testing.T) {
	ours, theirs := pki.ECDSA(elliptic.P256()), pki.Ed25519()
	s := newScene(t)
	a, b := signed()
	a.Proof = &link.Proof{
		Files: map[string][]byte{"a.key": pki.KeyPEM(ours), "b.pub": pki.PublicPEM(theirs.Public())},
		Auth:  "{public_key: {key: a.key, peer: [b.pub]}}",
	}
	b.Proof = &link.Proof{
		Files: map[string][]byte{"pubkey/a.pub": pki.PublicPEM(ours.Public()), "pubkey/b.pub": pki.PublicPEM(theirs.Public()), "private/b.key": pki.KeyPEM(theirs)},
		Local: []string{"auth = pubkey", "pubkeys = b.pub"}, Remote: []string{"auth = pubkey", "pubkeys = a.pub"},
	}
	s.joined(a, b)
}

// TestRefusedCertificates: what strongSwan shows and we do not take, with its
// reason, in both roles.
func TestRefusedCertificates(t *testing.T) {
	t.Parallel()
	p := newAuthority()
	key := pki.ECDSA(elliptic.P256())
	other := pki.Root("Other", pki.ECDSA(elliptic.P256()))
	name := pki.Names("b.lab.example")
	short := pki.Valid(pki.NotBefore, pki.NotBefore.Add(time.Hour))
	late := pki.Valid(pki.NotAfter.Add(-time.Hour), pki.NotAfter)
	for reason, h := range map[string]*pki.Holder{
		"certificate_expired":       p.sub.Issue("b", key, name, short),
		"certificate_not_yet_valid": p.sub.Issue("b", key, name, late),
		"certificate_untrusted":     other.Issue("b", key, name),
		"certificate_identity":      p.sub.Issue("b", key, pki.Names("c.lab.example")),
	} {
		t.Run(reason, func(t *testing.T) {
			s := newScene(t)
			a, b := signed()
			a.Proof = p.ours(p.sub.Issue("a", key, pki.Names(a.LocalIdentity)), "")
			b.Proof = p.theirs(h, "pubkey")
			if reason == "certificate_identity" {
				a.RemoteIdentity, b.LocalIdentity = "C=CH, O=Example, CN=x", "C=CH, O=Example, CN=x"
			}
			s.strongswan(s.GatewayB, b)
			g := s.causeway(s.GatewayA, a)
			e := s.failure(g, link.Name, reason)
			if e.Message == "" || e.Hint == "" || e.Remote == "" {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestRenewedCertificates: a reload takes up another certificate, and another
// authority for the peer's; the SAs stay, and the next authentication uses them.
func TestRenewedCertificates(t *testing.T) {
	p := newAuthority()
	key := pki.ECDSA(elliptic.P256())
	s := newScene(t)
	a, b := signed()
	a.Proof = p.ours(p.sub.Issue("a", key, pki.Names(a.LocalIdentity)), "")
	b.Proof = p.theirs(p.sub.Issue("b", key, pki.Names(b.LocalIdentity)), "pubkey")
	g, d := s.joined(a, b)
	before := s.status(g, link.Name)
	renewed := *a.Proof
	renewed.Files = p.ours(p.root.Issue("renewed", pki.Ed25519(), pki.Names(a.LocalIdentity)), "").Files
	a.Proof = &renewed
	s.must(g.Configure(a))
	s.must(g.Reload())
	s.eventually("the reload in the log", func() error { return inLog(g.Log(), "auth.certificate.chain") })
	s.sameSAs(g, before)
	s.must(s.bounded(d.Terminate))
	s.up(g)
	s.pingBoth(a)
	s.eventually("the renewed certificate at strongSwan", func() error { return inLog(d.Log(), `CN=renewed`) })
}

// inLog looks for a text in a file.
func inLog(path, text string) error {
	log, err := os.ReadFile(filepath.Clean(path))
	if err == nil && !strings.Contains(string(log), text) {
		return errors.New("it is not there; at the end is " + world.Tail(path, 3))
	}
	return err
}

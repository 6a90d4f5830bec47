package lab

import (
	"cmp"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"causeway/test/lab/link"
	"causeway/test/lab/world"
	"causeway/test/pki"
)

// responder is where the OCSP responder of these tests is: on the router.
var responder = net.JoinHostPort(world.SiteA.Router4.String(), "8888")

// TestOCSP: the responder that strongSwan's certificate names, which is OpenSSL's,
// is asked, and says that all is well, or that it is revoked, or nothing.
func TestOCSP(t *testing.T) {
	t.Parallel()
	for status, reason := range map[string]string{"V": "", "R": "certificate_revoked", "silent": "revocation_unknown"} {
		t.Run(cmp.Or(reason, "valid"), func(t *testing.T) {
			p := newAuthority()
			s := newScene(t)
			a, b := signed()
			a.Start = true
			a.Proof = p.ours(p.sub.Issue("a", pki.ECDSA(elliptic.P256()), pki.Names(a.LocalIdentity)), "")
			a.Proof.Auth = "{certificate: {chain: a.pem, key: a.key, ca: [ca.pem], revocation: strict, fetch: true}}"
			theirs := p.root.Issue("b", pki.ECDSA(elliptic.P256()), pki.Names(b.LocalIdentity),
				func(c *x509.Certificate) { c.OCSPServer = []string{"http://" + responder} })
			b.Proof = p.theirs(theirs, "pubkey")
			if status != "silent" {
				s.ocsp(p.root, theirs.Certificate, status)
			}
			if reason == "" {
				s.joined(a, b)
				return
			}
			s.strongswan(s.GatewayB, b)
			if e := s.failure(s.causeway(s.GatewayA, a), link.Name, reason); e.Hint == "" {
				t.Errorf("%+v", e)
			}
		})
	}
}

// ocsp runs the responder of an authority, which knows one certificate: V is
// valid, R revoked.
func (s *scene) ocsp(authority *pki.Holder, c *x509.Certificate, status string) {
	s.t.Helper()
	const format = "060102150405Z"
	revoked := ""
	if status == "R" {
		revoked = pki.NotBefore.Format(format) + ",keyCompromise"
	}
	serial := fmt.Sprintf("%X", c.SerialNumber)
	if len(serial)%2 != 0 {
		serial = "0" + serial
	}
	directory := s.t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(directory, name)
		s.must(os.WriteFile(path, data, 0o600))
		return path
	}
	certificate := file("ca.pem", pki.PEM(authority.Certificate))
	// A connection without a request, to see whether it listens, would stop it.
	process, err := s.Router.Start("ocsp", "openssl", "ocsp", "-port", "8888", "-ndays", "1", "-CA", certificate, "-rsigner", certificate,
		"-rkey", file("ca.key", pki.KeyPEM(authority.Key)),
		"-index", file("index.txt", fmt.Appendf(nil, "%s\t%s\t%s\t%s\tunknown\t/CN=b\n", status, c.NotAfter.Format(format), revoked, serial)))
	s.must(err)
	s.eventually("the OCSP responder listens", func() error { return inLog(process.LogFile(), "waiting for OCSP client connections") })
}

package lab

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"testing"
	"time"

	"causeway/test/lab/link"
	"causeway/test/pki"
)

// TestRevocationList: strongSwan's certificate against the list of its authority, in
// a file of ours, and ours against strongSwan's.
func TestRevocationList(t *testing.T) {
	t.Parallel()
	key := pki.ECDSA(elliptic.P256())
	now := time.Now()
	for _, c := range []struct {
		name                  string
		here, there, outdated bool // revoked: theirs in our list, ours in strongSwan's; our list is old
		want                  said
	}{
		{name: "nobody is revoked"},
		{name: "theirs is revoked", here: true, want: said{reason: "certificate_revoked"}},
		{name: "our list is old", outdated: true, want: said{reason: "revocation_unknown"}},
		{name: "ours is revoked", there: true, want: said{reason: "authentication_failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newAuthority()
			s := newScene(t)
			a, b := signed()
			ours := p.root.Issue("a", key, pki.Names(a.LocalIdentity))
			theirs := p.root.Issue("b", key, pki.Names(b.LocalIdentity))
			list := func(revoked bool, of *pki.Holder, to time.Time) []byte {
				var entries []x509.RevocationListEntry
				if revoked {
					entries = append(entries, x509.RevocationListEntry{SerialNumber: of.Certificate.SerialNumber, RevocationTime: now.Add(-time.Hour)})
				}
				return p.root.RevocationList(now.Add(-48*time.Hour), to, entries...)
			}
			end := now.Add(24 * time.Hour)
			if c.outdated {
				end = now.Add(-24 * time.Hour)
			}
			a.Proof = p.ours(ours, "")
			a.Proof.Auth = "{certificate: {chain: a.pem, key: a.key, ca: [ca.pem], crl: [ca.crl], revocation: strict}}"
			a.Proof.Files["ca.crl"] = pki.ListPEM(list(c.here, theirs, end))
			b.Proof = p.theirs(theirs, "pubkey")
			b.Proof.Remote = append(b.Proof.Remote, "revocation = strict")
			b.Proof.Files["x509crl/root.crl"] = pki.ListPEM(list(c.there, ours, now.Add(24*time.Hour)))
			if c.want.reason == "" {
				s.joined(a, b)
				return
			}
			s.strongswan(s.GatewayB, b)
			c.want.check(t, s.failure(s.causeway(s.GatewayA, a), link.Name, c.want.reason))
		})
	}
}

// TestClassicSignatures: strongSwan signs as RFC 7296 has it, without the framework of
// RFC 7427: RSA with SHA-1, and ECDSA with the hash of its curve (RFC 4754).
func TestClassicSignatures(t *testing.T) {
	t.Parallel()
	p := newAuthority()
	for _, c := range []struct {
		name string
		key  func(n int) crypto.Signer
		more string
		says string // strongSwan, of our signature
	}{
		{"RSA", func(n int) crypto.Signer { return pki.RSA(2048, n) }, ", signatures: [rsa-sha1]", "RSA signature"},
		{"ECDSA P-256", func(int) crypto.Signer { return pki.ECDSA(elliptic.P256()) }, "", "ECDSA-256 signature"},
		{"ECDSA P-384", func(int) crypto.Signer { return pki.ECDSA(elliptic.P384()) }, "", "ECDSA-384 signature"},
		{"ECDSA P-521", func(int) crypto.Signer { return pki.ECDSA(elliptic.P521()) }, "", "ECDSA-521 signature"},
	} {
		for _, role := range []string{"initiator", "responder"} {
			t.Run(c.name+"/"+role, func(t *testing.T) {
				s := newScene(t)
				a, b := signed()
				a.Start, b.Start = role == "initiator", role == "responder"
				b.SwanDaemon = []string{"signature_authentication = no"}
				a.Proof = p.ours(p.sub.Issue("a", c.key(0), pki.Names(a.LocalIdentity)), c.more)
				b.Proof = p.theirs(p.sub.Issue("b", c.key(1), pki.Names(b.LocalIdentity)), "pubkey")
				_, d := s.joined(a, b)
				s.eventually("the kind of our signature in strongSwan's log", func() error {
					return inLog(d.Log(), "authentication of 'a.lab.example' with "+c.says+" successful")
				})
			})
		}
	}
}

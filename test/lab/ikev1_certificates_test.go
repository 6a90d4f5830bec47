package lab

import (
	"crypto"
	"crypto/elliptic"
	"testing"

	"causeway/test/pki"
)

// TestIKEv1Certificates is Main Mode with signatures (RFC 2409 §5.1, RFC 4754),
// in both roles.
func TestIKEv1Certificates(t *testing.T) {
	t.Parallel()
	p := newAuthority()
	for _, c := range []struct {
		name         string
		ours, theirs crypto.Signer
	}{
		{"RSA", pki.RSA(2048, 0), pki.RSA(2048, 1)},
		{"ECDSA P-256", pki.ECDSA(elliptic.P256()), pki.ECDSA(elliptic.P256())},
		{"ECDSA P-384", pki.ECDSA(elliptic.P384()), pki.ECDSA(elliptic.P384())},
		{"ECDSA P-521", pki.ECDSA(elliptic.P521()), pki.ECDSA(elliptic.P521())},
	} {
		for _, role := range []string{"initiator", "responder"} {
			t.Run(c.name+"/"+role, func(t *testing.T) {
				s := newScene(t)
				a := pairv1()
				a.Start = role == "initiator"
				b := a.Peer()
				a.Proof = p.ours(p.sub.Issue("a", c.ours, pki.Names(a.LocalIdentity)), "")
				b.Proof = p.theirs(p.sub.Issue("b", c.theirs, pki.Names(b.LocalIdentity)), "pubkey")
				s.joined(a, b)
			})
		}
	}
}

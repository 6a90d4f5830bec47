package ikev1

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"testing"
	"time"

	"causeway/ike/auth"
	"causeway/ike/ikev1/isakmp"
	"causeway/ike/sa"
	"causeway/ike/transform"
	"causeway/test/pki"
)

// certify gives a connection a certificate for a name, and an authority to
// trust.
func certify(t testing.TB, s *sa.Settings, h *pki.Holder, name, peer string, roots ...*x509.Certificate) {
	t.Helper()
	var err error
	if s.Credentials, err = auth.NewCredentials(h.Key, h.Chain(), nil); err != nil {
		t.Fatal(err)
	}
	if s.Trust, err = auth.NewTrust(roots, nil, nil); err != nil {
		t.Fatal(err)
	}
	s.PSK = auth.Secret{}
	if s.LocalIdentity, err = auth.ParseIdentity(name); err != nil {
		t.Fatal(err)
	}
	if s.RemoteIdentity, err = auth.ParseIdentity(peer); err != nil {
		t.Fatal(err)
	}
}

func TestSignatures(t *testing.T) {
	root := pki.Root("Root", pki.ECDSA(elliptic.P384()))
	stranger := pki.Root("Stranger", pki.ECDSA(elliptic.P384()))
	keys := map[string]func(n int) crypto.Signer{
		"rsa":  func(n int) crypto.Signer { return pki.RSA(2048, n) },
		"p256": func(int) crypto.Signer { return pki.ECDSA(elliptic.P256()) },
		"p384": func(int) crypto.Signer { return pki.ECDSA(elliptic.P384()) },
		"p521": func(int) crypto.Signer { return pki.ECDSA(elliptic.P521()) },
	}
	for kind, key := range keys {
		t.Run(kind, func(t *testing.T) {
			d := newDuo(t, func(a, b *sa.Settings) {
				now := pki.Valid(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
				certify(t, a, root.Issue("a", key(1), pki.Names("a.example"), now), "a.example", "b.example", root.Certificate)
				certify(t, b, root.Issue("b", key(2), pki.Names("b.example"), now), "b.example", "a.example", root.Certificate)
			})
			d.a.up()
			d.advance(2 * time.Second)
			d.wantUp()
		})
	}
	for _, c := range []struct {
		name string
		make func(a, b *sa.Settings)
		a, b sa.Reason
	}{
		{"a stranger's certificate", func(a, _ *sa.Settings) {
			certify(t, a, stranger.Issue("a", pki.RSA(2048, 1), pki.Names("a.example")), "a.example", "b.example", root.Certificate)
		}, sa.ReasonAuthenticationFailed, sa.ReasonCertificateUntrusted},
		{"a certificate for another name", func(a, _ *sa.Settings) {
			certify(t, a, root.Issue("a", pki.RSA(2048, 1), pki.Names("c.example")), "a.example", "b.example", root.Certificate)
		}, sa.ReasonAuthenticationFailed, sa.ReasonCertificateIdentity},
		{"a key of another kind", func(a, _ *sa.Settings) {
			certify(t, a, root.Issue("a", pki.ECDSA(elliptic.P256()), pki.Names("a.example")), "a.example", "b.example", root.Certificate)
		}, sa.ReasonProposalMismatch, sa.ReasonAuthenticationFailed},
		{"a pre-shared key", func(a, _ *sa.Settings) {
			a.Credentials, a.Trust, a.PSK = nil, nil, auth.NewSecret([]byte("a key"))
		}, sa.ReasonProposalMismatch, sa.ReasonAuthenticationFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDuo(t, func(a, b *sa.Settings) {
				certify(t, a, root.Issue("a", pki.RSA(2048, 1), pki.Names("a.example")), "a.example", "b.example", root.Certificate)
				certify(t, b, root.Issue("b", pki.RSA(2048, 2), pki.Names("b.example")), "b.example", "a.example", root.Certificate)
				c.make(a, b)
			})
			d.a.up()
			d.advance(20 * time.Second)
			if a, b := d.a.reason(), d.b.reason(); a != c.a || b != c.b {
				t.Errorf("a says %q and b %q, want %q and %q\n%s", a, b, c.a, c.b, d.failures())
			}
		})
	}
}

// A method that is tied to a hash function has it in what is signed, whatever
// was negotiated; all else has the negotiated one (RFC 2409 §5.1).
func TestProofHasTheHashOfItsMethod(t *testing.T) {
	for method, want := range map[uint16]int{
		isakmp.AuthPSK: 20, isakmp.AuthRSA: 20, isakmp.AuthECDSA256: 32, isakmp.AuthECDSA384: 48, isakmp.AuthECDSA521: 64,
	} {
		var a association
		if err := a.choose(transform.Suite{PRF: transform.Transform{Type: transform.PseudoRandom, ID: transform.PRFHMACSHA1}}, method); err != nil {
			t.Fatal(err)
		}
		if got := len(a.proof(true, nil)); got != want || a.prf.Size() != 20 {
			t.Errorf("method %d: %d octets are signed, want %d; the PRF has %d", method, got, want, a.prf.Size())
		}
	}
}
